"""A small run, and a server that shows it as if it trained."""

from pathlib import Path

from gpucnn.config.build import build_loaders, load_data
from gpucnn.live import Watch
from gpucnn.live.mistakes import Mistakes
from gpucnn.runs.saved import open_run
from tests.small import small_config, trained

CONFIG = small_config(500, 150, epochs=3)


def train(folder: Path, *arguments: str) -> Path:
    """A run of `CONFIG` in a folder."""
    return trained(folder, CONFIG, *arguments)


def watch_of(run: Path, epochs: int = 3) -> Watch:
    """What a page is told of a run that is to train for `epochs`."""
    saved = open_run(str(run))
    data = load_data(saved.config)
    loader = build_loaders(saved.config, data).validation
    mistakes = Mistakes(loader, "logits")
    return Watch(saved.folder, "small", saved.image_shape, epochs, 11, saved.class_names, mistakes, data.validation)
