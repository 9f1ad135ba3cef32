"""The kernels on NumPy's and CuPy's arrays, with the documentation of all kernels.

A kernel takes and returns arrays; the Functions of gpucnn/functional call it, and record what their gradients need.
Images are (C, spatial..., N): batch-last and C-contiguous, as are all arrays here unless stated otherwise. All floating
arrays of a call have one type, and all arrays lie on one device. A kernel that is given `out`, whose contents are
undefined before, writes its result there; another returns it.

These kernels always work, and the other sets are tested against them. `c` and `cuda` inherit from the classes here, and
override what they compute faster. What a forward returns for its backward (`kept`, `winners`, `counts`) is private to
the set: only the same set's backward can read it.
"""

from typing import Any, NamedTuple

from gpucnn.kernels.numpy.activation import Activation
from gpucnn.kernels.numpy.arithmetic import Arithmetic
from gpucnn.kernels.numpy.conv import Conv
from gpucnn.kernels.numpy.curves import Curves
from gpucnn.kernels.numpy.gather import Gather
from gpucnn.kernels.numpy.gemm import Gemm, Linear
from gpucnn.kernels.numpy.losses import Losses
from gpucnn.kernels.numpy.norm import Norm
from gpucnn.kernels.numpy.padding import Padding
from gpucnn.kernels.numpy.pool import ConvPool, Pool
from gpucnn.kernels.numpy.softmax import Softmax
from gpucnn.kernels.numpy.step import Step
from gpucnn.kernels.numpy.targets import Targets
from gpucnn.kernels.numpy.update import Update
from gpucnn.kernels.numpy.warp import Warp


class Kernels(NamedTuple):
    """A set of kernels, by kind: what `dispatch.kernels_of` returns for arrays of a type."""

    activation: Activation = Activation()
    arithmetic: Arithmetic = Arithmetic()
    conv: Conv = Conv()
    curves: Curves = Curves(Activation())
    gather: Gather = Gather()
    gemm: Gemm = Gemm()
    losses: Losses = Losses()
    norm: Norm = Norm()
    padding: Padding = Padding()
    pool: Pool = Pool()
    softmax: Softmax = Softmax()
    step: Step = Step()
    targets: Targets = Targets(Softmax())
    update: Update = Update()
    warp: Warp = Warp()
    conv_pool: ConvPool = ConvPool(Conv(), Pool())
    linear: Linear = Linear(Gemm(), Activation())


kernels = Kernels()


def overridden_by(*kinds: Any) -> Kernels:
    """These kernels with each of `kinds` in the place of the one from which it inherits."""
    return kernels._replace(
        **{name: kind for name, own in kernels._asdict().items() for kind in kinds if isinstance(kind, type(own))}
    )
