"""`gpucnn eval RUN --calibrate`: a run's temperature, and tables of how far its probabilities are to be believed."""

import numpy as np

from gpucnn.cli.table import table
from gpucnn.config.build import TrainingData
from gpucnn.data import Pipeline
from gpucnn.errors import InputError
from gpucnn.explain import Reliability, best_temperature, coverage
from gpucnn.explain.calibration import COOLEST, HOTTEST
from gpucnn.runs.saved import SavedRun

SHARES = (1.0, 0.99, 0.98, 0.95, 0.9, 0.8, 0.5)  # of the images, in the table of accuracy by coverage
NEAR = 1e-6  # of a bound, as a share of it: Newton's method ends so near to it


def check_calibrated(saved: SavedRun) -> None:
    """Raise InputError for a run that can have no temperature, before anything is computed or printed.

    Its labels are no classes, its training is not over, or it is of version 0.1.0 and has no pipeline.json.
    """
    where = saved.folder.path
    if saved.pipeline.outputs in ("label_logits", "numbers", "pixel_logits", "pictures"):
        raise InputError(f"--calibrate: a temperature is that of classes, and the labels of {where} are none")
    if saved.kept is None:
        raise InputError(f"--calibrate: {where} is of version 0.1.0, which has no pipeline.json; train again")
    if not saved.folder.finished:
        raise InputError(f"--calibrate: {where} is not finished, and more training would change it; resume it first")


def calibrate(saved: SavedRun, data: TrainingData) -> Pipeline:
    """The run's pipeline with the temperature that suits its validation images best, which pipeline.json then has.

    Raises InputError where there are no such images, and where the network's answers are no distribution over the
    classes.
    """
    where = saved.folder.path
    if data.validation is None:
        raise InputError(
            f"--calibrate: {where} held no images back for validation, and calibration needs some; train with "
            "data.validation=0.1"
        )
    answers = saved.classifier().outputs(data.validation.images)
    if saved.pipeline.outputs == "probabilities":
        if not np.allclose(answers.sum(axis=1), 1, atol=1e-3):
            raise InputError(
                f"--calibrate: the probabilities that {where} gives do not add up to 1, so a temperature does not suit "
                "them; train with cross_entropy and without sigmoid at the end"
            )
        answers = np.log(np.maximum(answers, np.finfo(answers.dtype).tiny))
    temperature = best_temperature(answers, data.validation.labels)
    pipeline = saved.pipeline.model_copy(update={"temperature": temperature})
    saved.folder.write_pipeline(pipeline.to_json())
    print(f"temperature {temperature:.4f}, by the {len(answers):,} validation images; kept in pipeline.json")
    if not COOLEST * (1 + NEAR) < temperature < HOTTEST * (1 - NEAR):
        print(
            f"it is at the bound of what is tried, {COOLEST:g} to {HOTTEST:g}: the validation images' labels would be "
            "likelier still beyond it, so one temperature does not suit these answers"
        )
    return pipeline


def reliability_table(measured: Reliability) -> str:
    """A line for each bin that has images: its confidences, and the share of right answers."""
    rows = [
        (f"{low:.2f} to {high:.2f}", f"{images:,}", f"{confidence:.2%}", f"{accuracy:.2%}")
        for low, high, images, confidence, accuracy in zip(
            measured.edges, measured.edges[1:], measured.images, measured.confidence, measured.accuracy, strict=False
        )
        if images
    ]
    return table(("confidence", "images", "mean", "right"), rows)


def coverage_table(labels: np.ndarray, probabilities: np.ndarray) -> str:
    """The accuracy where only the surest share of the images is answered, for some shares."""
    confidence, accuracy = coverage(labels, probabilities)
    counts = [max(1, round(share * len(labels))) for share in SHARES]
    rows = [
        (f"{share:.0%}", f"{count:,}", f"{confidence[count - 1]:.4f}", f"{accuracy[count - 1]:.2%}")
        for share, count in zip(SHARES, counts, strict=True)
    ]
    return table(("answered", "images", "confidence from", "accuracy"), rows)
