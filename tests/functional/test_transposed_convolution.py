"""Transposed convolution: the gradient of a convolution, faults in words, options that PyTorch takes together."""

import numpy as np
import pytest

from gpucnn import Tensor, nn
from gpucnn import functional as F
from gpucnn.errors import ShapeError
from tests.judges import close

pytestmark = pytest.mark.usefixtures("device")


def test_it_is_the_gradient_of_the_convolution(rng):
    x, w, y = (rng.standard_normal(shape) for shape in ((2, 3, 7, 6), (4, 3, 3, 2), (2, 4, 4, 4)))
    given = Tensor(x, requires_grad=True)
    F.conv2d(given, Tensor(w), None, 2, ((1, 1), (1, 1))).backward(Tensor(y))
    close(F.conv_transpose2d(Tensor(y), Tensor(w), None, 2, 1).numpy(), given.grad.numpy())


def test_weights_are_pytorchs(torch, rng):
    ours = nn.ConvTranspose2d(4, 6, (3, 2), 2, (1, 0), (1, 0), 2, True, (1, 2))
    theirs = torch.nn.ConvTranspose2d(4, 6, (3, 2), 2, (1, 0), (1, 0), 2, True, (1, 2))
    state = {name: rng.standard_normal(value.shape).astype("f") for name, value in theirs.state_dict().items()}
    ours.load_state_dict(state)
    theirs.load_state_dict({name: torch.tensor(value) for name, value in state.items()})
    x = rng.standard_normal((3, 4, 5, 4)).astype("f")
    close(ours(Tensor(x)).numpy(), theirs(torch.tensor(x)).detach().numpy(), terms=12)
    bound = 1 / np.sqrt(3 * 6)  # PyTorch's fan: what an input spreads to
    weight = nn.ConvTranspose2d(4, 6, (3, 2), groups=2).weight.numpy()
    assert 0.8 * bound < abs(weight).max() <= bound


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x, w: F.conv_transpose2d(x[:, :2], w), r"input has 2 channels, weight expects 4.*in_channels=2"),
        (lambda x, w: F.conv_transpose2d(x, w, groups=3), "groups is 3, which does not divide the 4 channels"),
        (lambda x, w: F.conv_transpose2d(x, w, Tensor(np.ones(2))), r"bias has shape \(2,\); expected \(3,\)"),
        (
            lambda x, w: F.conv_transpose2d(x, w, output_padding=1),
            r"output_padding is 1; expected less than the stride",
        ),
        (lambda x, w: F.conv_transpose2d(x, w, padding=9), r"padding \(9, 9\) cuts off all"),
        (lambda x, w: F.conv_transpose2d(x, w, stride=0), "stride is 0"),
        (lambda x, w: F.conv_transpose1d(x, w), r"expected x \(images, channels, 1 sizes\)"),
        (lambda x, w: nn.ConvTranspose2d(4, 6, 3, groups=4), "groups is 4"),
        (lambda x, w: nn.ConvTranspose2d(5, 6, 3).output_shape((4, 3, 3)), "input has 4 channels, weight expects 5"),
    ],
)
def test_what_does_not_fit_is_told(call, words):
    with pytest.raises(ShapeError, match=words):
        call(Tensor(np.ones((2, 4, 5, 5))), Tensor(np.ones((4, 3, 3, 3))))
