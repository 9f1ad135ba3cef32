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
]
