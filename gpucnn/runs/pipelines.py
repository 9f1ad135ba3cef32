"""The pipeline of a run: from its pipeline.json, or, for a run of version 0.1.0, from its configuration."""

from gpucnn.config.build import load_data
from gpucnn.config.schema import Config
from gpucnn.data import Fingerprint, Pipeline
from gpucnn.data.image import Background
from gpucnn.data.pipeline import Ground, Outputs
from gpucnn.data.ranges import PixelRange
from gpucnn.data.untrusted import naming
from gpucnn.errors import CheckpointError, InputError
from gpucnn.runs.folder import PIPELINE, RunFolder

_DIGITS = ("mnist", "digits")  # white on black
_OF_BYTES = (*_DIGITS, "fashion_mnist", "synthetic", "folder")  # data sets whose pixels are uint8, 0 to 255


def read_pipeline(folder: RunFolder) -> Pipeline | None:
    """The run's pipeline.json; None if it has none. Raises CheckpointError if it is damaged."""
    path = folder.path / PIPELINE
    if not path.exists():
        return None
    try:
        with naming(path):
            return Pipeline.from_json(path.read_bytes())
    except InputError as error:
        raise CheckpointError(str(error)) from None


def pipeline_without_file(folder: RunFolder, config: Config, known: Fingerprint, outputs: Outputs) -> Pipeline:
    """The pipeline of a run of version 0.1.0, which kept none.

    known: the data as environment.json describes them. Where their range depends on the files, these are read
    again. Raises CheckpointError if they are absent.
    """
    if known.dataset in _OF_BYTES:
        ground: Ground | None = "dark" if known.dataset in _DIGITS else None
        background: Background = getattr(config.data, "background", "black" if ground == "dark" else "white")
        return Pipeline(
            channels=known.image_shape[0],
            size=known.image_shape[1:],
            pixels=PixelRange(low=0.0, high=255.0, known=True, whole=True, dimmest=255.0),
            ground=ground,
            background=background,
            invert=getattr(config.data, "invert", False),
            transposed=config.data.transpose,
            class_names=known.class_names,
            outputs=outputs,
            normalization="normalization.safetensors",
            fingerprint=known,
        )
    try:
        train = load_data(config, known.dataset).train.renumbered(known.class_names)
    except (InputError, OSError) as error:
        raise CheckpointError(
            f"{folder.path} is of version 0.1.0, which did not keep how pictures become the network's input, and the "
            f"data that would tell cannot be read ({error}); put them back, or train again"
        ) from None
    return Pipeline.of(train, known, outputs, transposed=config.data.transpose)
