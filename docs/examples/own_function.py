"""Variables and functions: tensors that know where they came from, a Function of your own, and a network of both."""

import numpy as np

import gpucnn
from gpucnn import Function, Tensor, check_gradients, no_grad
from gpucnn import functional as F

# A variable is a Tensor that asks for its gradient. Here x is used three times: the gradient of y by x is the sum of
# what comes back along every one of these ways, x + x + 3.
x = Tensor(2.0, requires_grad=True)
y = x * x + 3 * x
y.backward()
print(f"y = x·x + 3·x at x = 2 is {y.item():g}, and its slope is {x.grad.item():g}")


class Softsign(Function):
    """x / (1 + |x|), an activation that gpucnn does not have: forward and backward, side by side."""

    def forward(self, x: np.ndarray) -> np.ndarray:
        """Arrays come in and one array goes out; what backward will need is kept on self."""
        self.below = 1 + abs(x)
        return x / self.below

    def backward(self, grad: np.ndarray) -> np.ndarray:
        """`grad` is the slope of the loss by the output; by the chain rule it is multiplied by ours, 1 / (1 + |x|)²."""
        return grad / self.below**2


# Is that backward right? The check compares it with the differences that small steps make, and raises if it is not.
check_gradients(Softsign.apply, [Tensor(np.linspace(-3, 3, 8), requires_grad=True)])

# A network without nn or optim: four variables, and arithmetic.
digits = gpucnn.data.load_source("digits").source
images, test_images = (part.images.reshape(-1, 784) / np.float32(255) for part in (digits.train, digits.test))
rng = np.random.default_rng(0)
w1 = Tensor(rng.normal(0, 0.05, (784, 32)).astype("float32"), requires_grad=True)
w2 = Tensor(rng.normal(0, 0.2, (32, 10)).astype("float32"), requires_grad=True)
b1, b2 = Tensor(np.zeros(32, "float32"), requires_grad=True), Tensor(np.zeros(10, "float32"), requires_grad=True)


def network(pixels: np.ndarray) -> Tensor:
    """(N, 784) to one score for each digit, (N, 10)."""
    return Softsign.apply(Tensor(pixels) @ w1 + b1) @ w2 + b2


for _ in range(150):
    # w1 is at a fork: its gradient adds up over the network and the penalty on large weights.
    loss = F.cross_entropy(network(images), digits.train.labels) + 1e-4 * (w1 * w1).sum()
    loss.backward()
    for variable in (w1, b1, w2, b2):
        variable.data -= 0.5 * variable.grad  # gradient descent, which is not recorded: `data` has no origin
        variable.grad = None  # the next backward would add to it
with no_grad():
    right = network(test_images).numpy().argmax(axis=1) == digits.test.labels
print(f"loss {loss.item():.3f}, test accuracy {right.mean():.2%}")
