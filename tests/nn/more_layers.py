"""Rows for test_layers.py: layers of later networks, their input and output shapes and multiply-adds."""

from gpucnn import nn

IMAGE, ROW, LINE, VOLUME = (4, 9, 8), (12,), (4, 11), (2, 4, 5, 3)

MORE_LAYERS = [
    (lambda: nn.Branches(nn.Sequential(nn.ReLU()), nn.Sequential(), merge="concat"), IMAGE, (8, 9, 8), 0),
    (lambda: nn.ConvTranspose1d(4, 6, 3, 2, 1), LINE, (6, 21), 6 * 4 * 3 * 11),
    (lambda: nn.ConvTranspose2d(4, 6, (2, 3), 2, (0, 1), (0, 1), 2), IMAGE, (6, 18, 16), 4 * 3 * 6 * 72),
    (lambda: nn.ConvTranspose3d(2, 3, 2, bias=False, dilation=2), VOLUME, (3, 6, 7, 5), 2 * 3 * 8 * 60),
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
    (lambda: nn.AdaptiveAvgPool1d(3), LINE, (4, 3), 0),
    (lambda: nn.AdaptiveAvgPool2d((3, None)), IMAGE, (4, 3, 8), 0),
    (lambda: nn.AdaptiveAvgPool3d(2), VOLUME, (2, 2, 2, 2), 0),
    (lambda: nn.AdaptiveMaxPool1d(20), LINE, (4, 20), 0),
    (lambda: nn.AdaptiveMaxPool2d(4), IMAGE, (4, 4, 4), 0),
    (lambda: nn.AdaptiveMaxPool3d((1, 2, 3)), VOLUME, (2, 1, 2, 3), 0),
    (lambda: nn.Upsample(scale_factor=2.5), IMAGE, (4, 22, 20), 0),
    (lambda: nn.Upsample((3, 20), mode="bilinear"), IMAGE, (4, 3, 20), 0),
    (lambda: nn.Upsample(scale_factor=(2.0,), mode="linear", align_corners=True), LINE, (4, 22), 0),
]
