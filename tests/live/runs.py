"""A small run, and a server that shows it as if it trained."""

from pathlib import Path

from gpucnn.cli import main
from gpucnn.config.build import build_loaders, load_data
from gpucnn.live import Watch
from gpucnn.live.mistakes import Mistakes
from gpucnn.runs.saved import open_run

CONFIG = """\
name: small
device: cpu
data: {name: digits, limit: 500, validation: 150}
model:
  - conv2d: {out_channels: 4, kernel_size: 5, stride: 2}
  - relu
  - flatten
  - linear: {out_features: 10}
optimizer: {name: adam, lr: 0.01}
train: {epochs: 3, batch_size: 32}
report: false
"""


def train(folder: Path, *arguments: str) -> Path:
    """A run of `CONFIG` in a folder."""
    (folder / "small.yaml").write_text(CONFIG)
    assert main(["train", str(folder / "small.yaml"), "--run-dir", str(folder / "run"), "--quiet", *arguments]) == 0
    return folder / "run"


def watch_of(run: Path, epochs: int = 3) -> Watch:
    """What a page is told of a run that is to train for `epochs`."""
    saved = open_run(str(run))
    data = load_data(saved.config)
    loader = build_loaders(saved.config, data).validation
    mistakes = Mistakes(loader, "logits")
    return Watch(saved.folder, "small", saved.image_shape, epochs, 11, saved.class_names, mistakes, data.validation)
