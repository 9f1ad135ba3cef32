"""A configuration that trains in a moment, and a run of it."""

from pathlib import Path

from gpucnn.cli import main


def small_config(images: int, validation: int, epochs: int = 2, name: str = "small") -> str:
    """So many images of digits, of which `validation` are set apart, through a convolution and a linear layer."""
    return f"""\
name: {name}
device: cpu
data: {{name: digits, limit: {images}, validation: {validation}}}
model:
  - conv2d: {{out_channels: 4, kernel_size: 5, stride: 2}}
  - relu
  - flatten
  - linear: {{out_features: 10}}
optimizer: {{name: adam, lr: 0.01}}
train: {{epochs: {epochs}, batch_size: 32}}
report: false
"""


def trained(folder: Path, config: str, *overrides: str) -> Path:
    """The folder of a run of `config`, both in `folder`."""
    path, run = folder / "x.yaml", folder / "run"
    path.write_text(config)
    assert main(["train", str(path), *overrides, "--run-dir", str(run), "--quiet"]) == 0
    return run
