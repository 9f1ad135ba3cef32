"""The whole job in PyTorch, written the fast way: one epoch of LeNet on MNIST by the recipe of configs/lenet.yaml.

    python -m bench.torch_job DATA_FOLDER RUN_FOLDER < network.json

All images lie in one tensor, ready normalised, and a minibatch is indexed out of it by a random permutation. 10,000
training images are held out; after the epoch the network is evaluated on them, then on the test images. RUN_FOLDER is
made, and gets result.json (test_loss, test_accuracy) and the weights.
"""

import gzip
import json
import math
import sys
from pathlib import Path

import torch
from torch import nn
from torch_network import build_network

from bench.workloads import Network

VALIDATION, BATCH, EVALUATED_AT_ONCE = 10_000, 64, 256
RATE, MOMENTUM, WARM_UP = 0.05, 0.9, 0.2
Data = tuple[torch.Tensor, torch.Tensor]  # images (N, 1, 28, 28), labels (N,)


def main(data: Path, run: Path) -> None:
    """Train, evaluate, and write the result."""
    network = Network.from_json(sys.stdin.read())
    torch.manual_seed(0)
    train, validation, test = load(data)
    net = build_network(network.layers, network.shape)
    train_epoch(net, train)
    validation_loss, validation_accuracy = evaluate(net, validation)
    print(f"validation loss {validation_loss:.4f}, accuracy {validation_accuracy:.2%}")
    loss, accuracy = evaluate(net, test)
    run.mkdir(parents=True)
    torch.save(net.state_dict(), run / "model.pt")
    (run / "result.json").write_text(json.dumps({"test_loss": loss, "test_accuracy": accuracy}))


def load(folder: Path) -> tuple[Data, Data, Data]:
    """The images to train on, those held out, and those to test on, normalised by the first."""
    images, labels = _images(folder, "train"), _labels(folder, "train")
    order = torch.randperm(len(images))
    held, kept = order[:VALIDATION], order[VALIDATION:]
    train = images[kept].float()
    deviation, mean = (float(figure) for figure in torch.std_mean(train))

    def normalized(images: torch.Tensor) -> torch.Tensor:
        return images.float().sub_(mean).div_(deviation)

    return (
        (train.sub_(mean).div_(deviation), labels[kept]),
        (normalized(images[held]), labels[held]),
        (normalized(_images(folder, "t10k")), _labels(folder, "t10k")),
    )


def _images(folder: Path, part: str) -> torch.Tensor:
    """(N, 1, 28, 28), one byte a pixel."""
    data = gzip.decompress((folder / f"{part}-images-idx3-ubyte.gz").read_bytes())
    return torch.frombuffer(bytearray(data), dtype=torch.uint8, offset=16).view(-1, 1, 28, 28)


def _labels(folder: Path, part: str) -> torch.Tensor:
    data = gzip.decompress((folder / f"{part}-labels-idx1-ubyte.gz").read_bytes())
    return torch.frombuffer(bytearray(data), dtype=torch.uint8, offset=8).long()


def train_epoch(net: nn.Module, data: Data) -> None:
    """One epoch of SGD with Nesterov momentum; the rate rises in a line, then falls in a line."""
    images, labels = data
    optimizer = torch.optim.SGD(net.parameters(), lr=RATE, momentum=MOMENTUM, nesterov=True)
    criterion = nn.CrossEntropyLoss()
    order = torch.randperm(len(images))
    steps = math.ceil(len(images) / BATCH)
    net.train()
    for step, chosen in enumerate(order.split(BATCH)):
        optimizer.param_groups[0]["lr"] = rate(step, steps)
        optimizer.zero_grad()
        criterion(net(images[chosen]), labels[chosen]).backward()
        optimizer.step()


def rate(step: int, steps: int) -> float:
    """The learning rate of step number `step` of `steps`."""
    rising = round(WARM_UP * steps)
    return RATE * ((step + 1) / rising if step < rising else 1 - (step - rising) / (steps - rising))


@torch.inference_mode()
def evaluate(net: nn.Module, data: Data) -> tuple[float, float]:
    """The mean loss, and the share of the images told right."""
    images, labels = data
    net.eval()
    loss_sum, correct = 0.0, 0
    for x, y in zip(images.split(EVALUATED_AT_ONCE), labels.split(EVALUATED_AT_ONCE), strict=True):
        output = net(x)  # (n, classes)
        loss_sum += float(nn.functional.cross_entropy(output, y, reduction="sum"))
        correct += int((output.argmax(dim=1) == y).sum())
    return loss_sum / len(images), correct / len(images)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
