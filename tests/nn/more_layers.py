"""Rows for test_layers.py: layers of later networks, their input and output shapes and multiply-adds."""

from gpucnn import nn

IMAGE, ROW, LINE, VOLUME = (4, 9, 8), (12,), (4, 11), (2, 4, 5, 3)

MORE_LAYERS = [
    *(
        (layer, shape, shape, 0)
        for layer in (nn.GELU, nn.SiLU, nn.ELU, nn.Hardswish, nn.Softplus, nn.PReLU)
        for shape in (IMAGE, ROW)
    ),
    (lambda: nn.PReLU(4), IMAGE, IMAGE, 0),
    (lambda: nn.GroupNorm(2, 4), IMAGE, IMAGE, 0),
    (lambda: nn.GroupNorm(3, 12), ROW, ROW, 0),
    (lambda: nn.LayerNorm(IMAGE), IMAGE, IMAGE, 0),
    (lambda: nn.LayerNorm(8), IMAGE, IMAGE, 0),
    (lambda: nn.InstanceNorm(4), LINE, LINE, 0),
    (lambda: nn.InstanceNorm1d(4, affine=True), LINE, LINE, 0),
    (lambda: nn.InstanceNorm2d(4, track_running_stats=True), IMAGE, IMAGE, 0),
    (lambda: nn.InstanceNorm3d(2), VOLUME, VOLUME, 0),
]
