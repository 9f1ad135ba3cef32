"""Operations for test_operations.py's judges: activations, normalisations, pooling and resampling of later networks."""

import math

import numpy as np

from gpucnn import functional as F
from tests import references
from tests.judges import Operation, their

IMAGES = (4, 3, 5, 7)


def normal(v):
    return (1 + math.erf(v / math.sqrt(2))) / 2


def by_tanh(v):
    return (1 + math.tanh(math.sqrt(2 / math.pi) * (v + 0.044715 * v**3))) / 2


def elu(alpha):
    return lambda v: v if v > 0 else alpha * math.expm1(v)


ACTIVATIONS = [
    Operation(f"{name} of {shape}", ours, theirs, [shape], naive=references.each(of_one))
    for shape in [IMAGES, ()]
    for name, ours, theirs, of_one in [
        ("gelu", F.gelu, their("gelu"), lambda v: v * normal(v)),
        (
            "gelu by tanh",
            lambda x: F.gelu(x, "tanh"),
            their("gelu", approximate="tanh"),
            lambda v: v * by_tanh(v),
        ),
        ("silu", F.silu, their("silu"), lambda v: v / (1 + math.exp(-v))),
        ("elu", F.elu, their("elu"), elu(1.0)),
        ("elu 0.3", lambda x: F.elu(x, 0.3), their("elu", 0.3), elu(0.3)),
        ("hardswish", F.hardswish, their("hardswish"), lambda v: v * min(max(v + 3, 0), 6) / 6),
        ("softplus", F.softplus, their("softplus"), lambda v: math.log1p(math.exp(v))),
        (
            "softplus 2, 1",
            lambda x: F.softplus(x, 2.0, 1.0),
            their("softplus", 2.0, 1.0),
            lambda v: v if 2 * v > 1 else math.log1p(math.exp(2 * v)) / 2,
        ),
    ]
] + [
    Operation(f"prelu of {shape} by {weight}", F.prelu, their("prelu"), [shape, weight], naive=references.prelu)
    for shape, weight in [(IMAGES, (3,)), (IMAGES, (1,)), ((6, 4), (4,)), ((4, 3, 5), (3,)), ((5,), (1,))]
]
NORMALISATIONS = (
    [
        Operation(
            f"group_norm {groups} {shape} {len(affine)}",
            lambda x, *affine, groups=groups: F.group_norm(x, groups, *affine, eps=1e-3),
            lambda torch, x, *affine, groups=groups: torch.nn.functional.group_norm(x, groups, *affine, eps=1e-3),
            [shape, *affine],
            naive=lambda x, *affine, groups=groups: references.group_norm(x, groups, *affine, eps=1e-3),
        )
        for groups, shape, affine in [
            (2, (3, 4, 3, 5), [(4,), (4,)]),
            (1, (3, 4, 6), [(4,), (4,)]),
            (3, (2, 6), []),
            (2, (2, 4, 2, 3, 2), [(4,)]),
        ]
    ]
    + [
        Operation(
            f"instance_norm {shape} {len(affine)}",
            lambda x, *affine: F.instance_norm(x, None, None, *affine),
            lambda torch, x, *affine: torch.nn.functional.instance_norm(x, None, None, *affine),
            [shape, *affine],
            naive=lambda x, *affine: references.group_norm(x, x.shape[1], *affine),
        )
        for shape, affine in [((4, 3, 7), []), (IMAGES, [(3,), (3,)]), ((2, 3, 2, 3, 2), [])]
    ]
    + [
        Operation(
            f"layer_norm {shape} {last} {len(affine)}",
            lambda x, *affine, last=last: F.layer_norm(x, last, *affine),
            lambda torch, x, *affine, last=last: torch.nn.functional.layer_norm(x, last, *affine),
            [shape, *affine],
            naive=lambda x, *affine, last=last: references.layer_norm(x, len(last), *affine),
        )
        for shape, last, affine in [
            (IMAGES, (3, 5, 7), [(3, 5, 7), (3, 5, 7)]),
            (IMAGES, (7,), [(7,), (7,)]),
            (IMAGES, (5, 7), []),
            ((6, 4), (4,), [(4,)]),
            ((6,), (6,), [(6,), (6,)]),
        ]
    ]
)
ADAPTIVE = [
    Operation(
        f"{name} {size}",
        lambda x, name=name, size=size: getattr(F, name)(x, size),
        their(name, size),
        [shape],
        naive=lambda x, size=size, reduce=reduce: references.adaptive_pool(x, size, reduce),
    )
    for kind, reduce in [("avg", np.mean), ("max", np.max)]
    for shape, size in [
        ((4, 3, 9), 4),
        ((4, 3, 9), 1),
        (IMAGES, (3, 4)),
        (IMAGES, 1),
        ((2, 3, 6, 4), (3, 2)),
        (IMAGES, (6, 9)),
        ((2, 3, 4, 5, 3), (3, 5, 2)),
    ]
    for name in [f"adaptive_{kind}_pool{len(shape) - 2}d"]
]
INTERPOLATIONS = [
    Operation(
        f"interpolate {mode} {shape} to {size} {corners}",
        lambda x, options=(size, None, mode, corners): F.interpolate(x, *options),
        lambda torch, x, options=(size, None, mode, corners): torch.nn.functional.interpolate(x, *options),
        [shape],
        naive=lambda x, options=(size, mode, corners): references.interpolate(x, *options),
    )
    for mode, corners, shape, size in [
        ("nearest", None, (2, 3, 5), (8,)),
        ("nearest", None, IMAGES, (10, 4)),
        ("nearest", None, (2, 2, 3, 4, 2), (5, 2, 4)),
        ("linear", None, (2, 3, 5), (8,)),
        ("linear", True, (2, 3, 5), (1,)),
        ("bilinear", False, IMAGES, (10, 4)),
        ("bilinear", True, IMAGES, (3, 14)),
        ("trilinear", True, (2, 2, 3, 4, 2), (5, 2, 4)),
        ("trilinear", None, (2, 2, 3, 1, 2), (5, 2, 4)),
    ]
]
TRANSPOSED = [
    Operation(
        f"conv_transpose{axes}d {number}",
        lambda x, w, *b, name=f"conv_transpose{axes}d", o=options: getattr(F, name)(x, w, *(b or [None]), *o),
        lambda torch, x, w, *b, name=f"conv_transpose{axes}d", o=options: getattr(torch.nn.functional, name)(
            x, w, *(b or [None]), *o
        ),
        [shape, *weights],
        naive=lambda x, w, *b, o=options: references.conv_transpose(x, w, *(b or [None]), *o),
    )
    for number, (axes, shape, weights, options) in enumerate(
        [
            (1, (3, 2, 5), [(2, 3, 3), (3,)], ()),
            (1, (3, 4, 5), [(4, 1, 4), (2,)], (3, 1, 2, 2)),
            (2, (3, 2, 4, 5), [(2, 3, 3, 2)], (2, 1, 1)),
            (2, (3, 2, 4, 5), [(2, 3, 2, 2), (3,)], (2,)),
            (2, (2, 4, 3, 4), [(4, 2, 3, 3), (4,)], ((1, 2), (2, 1), (0, 1), 2, (2, 1))),
            (2, (2, 3, 3, 4), [(3, 1, 2, 3), (3,)], (1, 0, (1, 2), 3, 3)),
            (3, (2, 2, 2, 3, 2), [(2, 2, 2, 1, 3), (2,)], (2, (0, 0, 1), 1)),
        ]
    )
]
MORE = [*TRANSPOSED, *ACTIVATIONS, *NORMALISATIONS, *ADAPTIVE, *INTERPOLATIONS]
