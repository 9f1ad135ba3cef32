"""A progress bar on the terminal."""

import sys
from types import TracebackType

from tqdm import tqdm

from gpucnn.training.records import BatchRecord, EpochRecord


class Progress:
    """Shows records: a bar for each epoch, which counts images, and a line with the epoch's figures at its end.

    Use it as a context: `with Progress() as progress: progress(record)`. `images` is the number of images in an epoch;
    without it the first bar has no end. Shows nothing if standard error is not a terminal or `shown` is False.
    """

    def __init__(self, images: int | None = None, shown: bool = True) -> None:
        self._images = images
        self._shown = shown and sys.stderr.isatty()
        self._bar: tqdm | None = None

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def __call__(self, record: BatchRecord | EpochRecord) -> None:
        """Show a record."""
        if not self._shown:
            return
        if isinstance(record, EpochRecord):
            self._images = round(record.images_per_second * record.seconds)
            self._close()
            tqdm.write(describe(record), file=sys.stderr)
        elif record.split == "train":
            self._count(record)

    def note(self, text: str) -> None:
        """Print a note on standard error, above the bar if there is one."""
        tqdm.write(text, file=sys.stderr)

    def _count(self, record: BatchRecord) -> None:
        if self._bar is None:
            self._bar = tqdm(
                desc=f"epoch {record.epoch}", total=self._images, unit=" images", leave=False, mininterval=0.2
            )
        self._bar.set_postfix(loss=f"{record.loss:.4f}", accuracy=_share(record.accuracy, ".3f"), refresh=False)
        self._bar.update(record.images)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def describe(record: EpochRecord) -> str:
    """An epoch's figures in one line."""
    line = f"epoch {record.epoch}: loss {record.train_loss:.4f}, accuracy {_share(record.train_accuracy)}"
    if record.validation_loss is not None:
        line += f"; validation loss {record.validation_loss:.4f}, accuracy {_share(record.validation_accuracy)}"
    if record.validation_score is not None:
        line += f", score {record.validation_score:.4f}"
    line += "".join(f", {name} {value:.4g}" for name, value in record.metrics.items())
    return f"{line}; {record.seconds:.1f} s, {record.images_per_second:,.0f} images/s"


def _share(accuracy: float | None, form: str = ".2%") -> str:
    return "none" if accuracy is None else format(accuracy, form)
