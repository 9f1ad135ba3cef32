"""A training written by hand, on the digits that come with gpucnn: forward, loss, gradients, update.

`gpucnn.Trainer` does this too, with a record of every minibatch; `gpucnn train` adds checkpoints, logs and pictures.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

import gpucnn
from gpucnn import Tensor, nn, no_grad, optim
from gpucnn import functional as F

EPOCHS, BATCH_SIZE = 3, 32

gpucnn.manual_seed(0)  # the initial weights, and what dropout drops
digits = gpucnn.data.load_source("digits").source
images, test_images = (part.images / np.float32(255) for part in (digits.train, digits.test))  # (N, 1, 28, 28), 0 to 1

net = nn.Sequential(
    nn.Conv2d(1, 8, 5, padding="same"),  # (N, 8, 28, 28): eight maps of where eight patterns are
    nn.ReLU(),
    nn.MaxPool2d(2),  # (N, 8, 14, 14)
    nn.Flatten(),
    nn.Dropout(0.25),
    nn.Linear(8 * 14 * 14, 10),  # ten numbers an image; the largest is the answer
)
optimizer = optim.SGD(net.parameters(), lr=0.05, momentum=0.9)


@contextmanager
def training(net: nn.Module) -> Iterator[None]:
    """Inside, dropout drops (and batch normalisation would use the batch); outside, the network answers as it is."""
    net.train()
    try:
        yield
    finally:
        net.eval()


def accuracy() -> float:
    """The share of the test images that the network tells right."""
    with no_grad():  # nothing is learned here, so nothing need be recorded for gradients
        answers = net(Tensor(test_images)).numpy().argmax(axis=1)
    return float((answers == digits.test.labels).mean())


rng = np.random.default_rng(0)
for epoch in range(1, EPOCHS + 1):
    order = rng.permutation(len(images))  # another order in every epoch
    for batch in np.split(order, range(BATCH_SIZE, len(order), BATCH_SIZE)):
        with training(net):
            scores = net(Tensor(images[batch]))  # forward: every operation is recorded
        loss = F.cross_entropy(scores, digits.train.labels[batch])  # one number: how wrong the network is
        optimizer.zero_grad()  # gradients add up, so those of the last minibatch go first
        loss.backward()  # back through the record: every weight gets the slope of the loss by it
        optimizer.step()  # every weight moves a little against its slope
    print(f"epoch {epoch}: loss {loss.item():.4f} on the last minibatch, test accuracy {accuracy():.2%}")
