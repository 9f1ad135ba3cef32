"""A logger of TensorBoard's event files, by tensorboard's own writer."""

import io
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from gpucnn.loggers.logger import Figures, Logger, library, scalars
from gpucnn.training import BatchRecord, EpochRecord

GROUPS = {"train_loss": "loss/train", "validation_loss": "loss/validation", "train_accuracy": "accuracy/train"}
GROUPS |= {"validation_accuracy": "accuracy/validation"}  # others are called epoch/<name>


class TensorBoard(Logger):
    """Writes event files in `folder`; the horizontal axis is the number of updates of the weights.

    Scalars of every minibatch and every epoch, the learning rate, hyperparameters with results, the table of the
    layers as text, and pictures. Where `folder` has events already, those of later steps are taken back: training goes
    on in the same curves. Raises InputError where the package tensorboard is not installed.
    """

    def __init__(self, folder: Path | str, steps_per_epoch: int | None = None) -> None:
        super().__init__(steps_per_epoch)
        event, summary, tensor, files, hparams = (
            library(f"tensorboard.{name}", "tensorboard")
            for name in (
                "compat.proto.event_pb2",
                "compat.proto.summary_pb2",
                "compat.proto.tensor_pb2",
                "summary.writer.event_file_writer",
                "plugins.hparams.summary_v2",
            )
        )
        self._event, self._summary, self._tensor, self._hparams = event, summary, tensor, hparams
        self._goes_on = any(Path(folder).glob("events.out.tfevents.*"))
        self._files = files.EventFileWriter(str(folder))

    def describe(self, hyperparameters: Figures, table: str = "") -> None:
        """Hyperparameters for the HParams page, and the table as text."""
        plain = {name: v if isinstance(v, bool | int | float) else str(v) for name, v in hyperparameters.items()}
        self._add(self._hparams.hparams_pb(plain))
        if table:
            self._add(self._text("network", "\n".join(f"    {line}" for line in table.splitlines())))  # as code

    def batch(self, record: BatchRecord) -> None:
        """The minibatch's loss and accuracy."""
        self._scalars({"batch/loss": record.loss, "batch/accuracy": record.accuracy})

    def epoch(self, record: EpochRecord) -> None:
        """The epoch's figures, and the learning rate of its last step."""
        self._scalars({GROUPS.get(name, f"epoch/{name}"): value for name, value in scalars(record).items()})
        self._files.flush()

    def finish(self, results: Figures, pictures: Mapping[str, bytes]) -> None:
        """The results as scalars, and the pictures."""
        self._scalars({f"result/{name}": value for name, value in results.items()})
        for name, png in pictures.items():
            width, height = Image.open(io.BytesIO(png)).size
            image = self._summary.Summary.Image(height=height, width=width, colorspace=4, encoded_image_string=png)
            self._add(self._summary.Summary(value=[self._summary.Summary.Value(tag=name, image=image)]))
        self._files.flush()

    def close(self) -> None:
        """Write what is not written yet, and close the file."""
        self._files.close()

    def _scalars(self, values: Mapping[str, Any]) -> None:
        number = self._summary.Summary.Value
        numbers = [
            number(tag=name, simple_value=float(value))
            for name, value in values.items()
            if isinstance(value, int | float) and not isinstance(value, bool)
        ]
        self._add(self._summary.Summary(value=numbers))

    def _text(self, tag: str, text: str) -> Any:
        plugin = self._summary.SummaryMetadata.PluginData(plugin_name="text")
        tensor = self._tensor.TensorProto(dtype="DT_STRING", string_val=[text.encode()])
        metadata = self._summary.SummaryMetadata(plugin_data=plugin)
        return self._summary.Summary(value=[self._summary.Summary.Value(tag=tag, metadata=metadata, tensor=tensor)])

    def _add(self, summary: Any) -> None:
        if self._goes_on and self.step:  # the first record: TensorBoard drops what it read of this step and later
            start = self._event.SessionLog(status=self._event.SessionLog.START)
            self._files.add_event(self._event.Event(wall_time=time.time(), step=self.step, session_log=start))
            self._goes_on = False
        self._files.add_event(self._event.Event(wall_time=time.time(), step=self.step, summary=summary))
