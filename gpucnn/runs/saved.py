"""Opening a saved run: its configuration, its network with the weights, how it sees pictures."""

import contextlib
import functools
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from gpucnn import nn
from gpucnn.config.build import Classes, TrainingData, build_early_stop, build_loss, build_network
from gpucnn.config.check import Checked, load_options
from gpucnn.config.schema import Config, kinds_of
from gpucnn.data import Dataset, Fingerprint, Normalizer, Pipeline
from gpucnn.data.ranges import BYTE, full_scale
from gpucnn.data.untrusted import naming
from gpucnn.errors import CheckpointError, DataError, ShapeError
from gpucnn.notebook import table
from gpucnn.runs.classifier import Classifier
from gpucnn.runs.folder import ENVIRONMENT, NORMALIZATION, PIPELINE, RunFolder, find_run
from gpucnn.runs.pipelines import pipeline_without_file, read_pipeline
from gpucnn.training import load_weights
from gpucnn.training.evaluation import outputs_of
from gpucnn.training.losses import Loss

DATA = "data"  # the entry of environment.json where version 0.1.0 described the data
DRAWN = "held_out_by"  # the option of folders that 0.1.0 had not


@dataclass(frozen=True)
class SavedRun:
    """A run's folder, its configuration, and what it knows of its data."""

    folder: RunFolder
    checked: Checked
    known: Fingerprint
    kept: Pipeline | None  # None for a run of version 0.1.0

    @property
    def dataset(self) -> str:
        """The data set that it was trained on, which may be the fallback."""
        return self.known.dataset

    @property
    def image_shape(self) -> tuple[int, ...]:
        """(C, H, W); of signals (C, W), of volumes (C, D, H, W)."""
        return self.known.image_shape

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the classes in the order of the network's outputs."""
        return self.known.class_names

    def _repr_html_(self) -> str:
        """For notebooks: where it is, what it was trained on, how far, and how well it does."""
        rows: list[tuple[str, object]] = [("data", self.dataset), ("epochs", self.folder.epochs_logged)]
        if self.folder.finished:
            result = self.folder.result()
            accuracy = result["test_accuracy"]
            rows += [("test loss", result["test_loss"])]
            rows += [("test accuracy", f"{accuracy:.2%}")] if accuracy is not None else []
        return table(f"Run {self.folder.path}", (), rows)

    @property
    def config(self) -> Config:
        """The run's resolved configuration."""
        return self.checked.config

    def network(self) -> nn.Sequential:
        """The trained network, in evaluation mode; of an unfinished run, with the weights that it would end with.

        Raises CheckpointError if the weights are missing, damaged or of another network.
        """
        net = build_network(self.checked, self.image_shape, len(self.class_names))
        load_weights(weights_of(self.folder, self.config), net)
        return net.eval()

    def normalizer(self) -> Normalizer:
        """The normalisation of the training images. Raises CheckpointError, DataError."""
        with naming(self.folder.path / NORMALIZATION):
            return Normalizer.from_arrays(self.folder.normalization(), self.image_shape)

    @functools.cached_property
    def pipeline(self) -> Pipeline:
        """How the network sees pictures. Raises CheckpointError if a run of 0.1.0 does not determine it."""
        if self.kept is not None:
            return self.kept
        net = build_network(self.checked, self.image_shape, len(self.class_names))
        return pipeline_without_file(self.folder, self.config, self.known, outputs_of(net))

    def classifier(self) -> Classifier:
        """The network with its pipeline. Raises CheckpointError, DataError."""
        return Classifier(self.network(), self.pipeline, self.normalizer(), self.folder.path)

    def loss(self) -> Loss:
        """The loss that it was trained with, its weights those of the training images' classes. Raises InputError."""
        train = self.known.parts.get("train")
        return build_loss(self.config, Classes(self.class_names, () if train is None else train.counts))

    def same_data(self, data: TrainingData) -> TrainingData:
        """The data to resume with, in the run's order of classes and with its normalisation.

        Raises DataError, which lists the changes, if they are not those that it was trained on.
        """
        with _refusing(f"--resume {self.folder.path}: the data have other classes"):
            data = data.renumbered(self.class_names)
        changed = self.changes(data)
        if changed:
            raise DataError(
                f"--resume {self.folder.path}: the data are not those that the run was trained on: "
                f"{'; '.join(changed)}. Put them back (GPUCNN_DATA_DIR as it was), or begin a new run"
            )
        return data._replace(normalizer=self.normalizer())

    def changes(self, data: TrainingData) -> list[str]:
        """The differences from the data that the run was trained on, a sentence each."""
        return self.known.differences(data.fingerprint())

    def fitting(self, images: Dataset, of: str, from_files: bool = False) -> Dataset:
        """Images of the data set `of` as the network knows them: in its range of pixels, labels by its classes' names.

        from_files: whether the pixels come from picture files. Raises ShapeError for images of another shape, DataError
        for other classes.
        """
        reproducing = self.config.data.target == "inputs" and images.kind != "pictures"
        if not reproducing and images.kind not in kinds_of(self.config.data, self.config.loss.name):
            raise DataError(f"the labels of {of} are {images.kind}, and the network was trained on others")
        if images.image_shape != self.image_shape:
            raise ShapeError(
                f"the images of {of} are {_by(images.image_shape)}, and the network was trained on "
                f"{_by(self.image_shape)}; give a data set of that shape"
            )
        if reproducing:
            white = BYTE.high if from_files else full_scale(images.images)
            images = images.reproduced(white)
        with _refusing(f"{of} has other classes than {self.folder.path}"):
            images = images.renumbered(self.class_names)
        return replace(images, images=self.pipeline.pixels.fit(images.images, BYTE if from_files else None))


def load(run: str | Path) -> Classifier:
    """The trained network of RUN, a run's folder or `latest`, which takes pictures as they are in files.

    Raises InputError if there is no such run, or it is damaged.
    """
    return open_run(str(run)).classifier()


def open_run(run: str) -> SavedRun:
    """Open RUN, a run's folder or `latest`. Raises InputError if there is none or its files are damaged."""
    folder = find_run(run)
    checked = load_options(str(folder.config_path))
    kept = read_pipeline(folder)
    known = _read_description(folder.path / ENVIRONMENT) if kept is None else kept.fingerprint
    if kept is None:
        checked = checked._replace(config=drawn_as(checked.config, "position"))
    return SavedRun(folder, checked, known, kept)


def drawn_as(config: Config, drawn: str) -> Config:
    """The configuration with `drawn` as the way in which a folder's test images are drawn, unless it states one."""
    data = config.data
    if not hasattr(data, DRAWN) or DRAWN in data.model_fields_set:
        return config
    return config.model_copy(update={"data": data.model_copy(update={DRAWN: drawn})})


def _by(shape: tuple[int, ...]) -> str:
    """A shape as text, such as 1 x 28 x 28."""
    return " x ".join(map(str, shape))


def keeps_best(config: Config) -> bool:
    """Whether a run ends with the weights of its best epoch, by early stopping; otherwise with the last."""
    rule = build_early_stop(config)
    return rule is not None and rule.keep == "best"


def weights_of(folder: RunFolder, config: Config) -> Path:
    """The file of a run's weights: the final ones; of an unfinished run, those that it would end with.

    Raises CheckpointError if there are none.
    """
    best = [folder.best_path] if keeps_best(config) else []
    for path in (folder.model_path, *best, folder.last_path, folder.previous_path):
        if path.is_file():
            return path
    raise CheckpointError(f"{folder.path} holds no weights: it was stopped before its first checkpoint; train it again")


@contextlib.contextmanager
def _refusing(what: str) -> Iterator[None]:
    """Put `what` in front of a DataError raised in the block."""
    try:
        yield
    except DataError as error:
        raise DataError(
            f"{what}: {error}; classes are matched by their names, so give data that have the run's"
        ) from None


def _read_description(path: Path) -> Fingerprint:
    """The description of the data that version 0.1.0 wrote when the run began."""
    try:
        described = json.loads(path.read_bytes())[DATA]
        return Fingerprint(
            dataset=described["dataset"],
            image_shape=tuple(described["image_shape"]),
            class_names=tuple(described["class_names"]),
            parts={},
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError(
            f"{path} is missing or damaged ({str(error).splitlines()[0]}), and there is no {PIPELINE}; restore them, "
            "or train again"
        ) from None
