"""A logger of runs in MLflow."""

import io
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from gpucnn.errors import InputError
from gpucnn.files import atomic_write
from gpucnn.loggers.logger import Figures, Logger, library, scalars
from gpucnn.training import EpochRecord

KEPT = "mlflow.json"  # which run a folder's is
LONGEST = 6000  # characters of a parameter's value
WATCHED = "train_loss"  # which every epoch has


class MLflow(Logger):
    """Logs a run of an MLflow experiment: parameters, every epoch's figures, results, the table, pictures.

    Where it goes says MLFLOW_TRACKING_URI, MLflow's own variable; `tracking_uri` beats it. `folder` keeps the run's id
    in mlflow.json: a second logger of that folder goes on in the same run. Raises InputError where MLflow is not
    installed, or the store refuses the run.
    """

    def __init__(
        self,
        folder: Path | str,
        experiment: str = "gpucnn",
        name: str | None = None,
        tracking_uri: str | None = None,
        steps_per_epoch: int | None = None,
    ) -> None:
        super().__init__(steps_per_epoch)
        mlflow = library("mlflow", "mlflow")
        self._entities = library("mlflow.entities", "mlflow")
        try:
            self._client = mlflow.MlflowClient(tracking_uri)
            self.run_id = self._run(Path(folder), experiment, name)
        except mlflow.exceptions.MlflowException as error:
            raise InputError(
                f"logging: mlflow: {mlflow.get_tracking_uri()} refuses the run ({error}); see MLFLOW_TRACKING_URI"
            ) from None
        self._logged = {metric.step for metric in self._client.get_metric_history(self.run_id, WATCHED)}
        self._finished = False

    def _run(self, folder: Path, experiment: str, name: str | None) -> str:
        """The id of the run in `folder`, or of a new one."""
        kept = folder / KEPT
        if kept.exists():
            run_id = str(json.loads(kept.read_text())["run_id"])
            self._client.update_run(run_id, "RUNNING")
            return run_id
        known = self._client.get_experiment_by_name(experiment)
        number = known.experiment_id if known else self._client.create_experiment(experiment)
        run_id = str(self._client.create_run(number, run_name=name).info.run_id)
        folder.mkdir(parents=True, exist_ok=True)
        atomic_write(kept, json.dumps({"run_id": run_id}).encode())
        return run_id

    def describe(self, hyperparameters: Figures, table: str = "") -> None:
        """Hyperparameters as parameters, and the table as the artifact network.txt."""
        known = self._client.get_run(self.run_id).data.params  # which may not change
        values = {key: str(value)[:LONGEST] for key, value in hyperparameters.items() if key not in known}
        self._log(params=[self._entities.Param(key, value) for key, value in values.items()])
        if table:
            self._client.log_text(self.run_id, table, "network.txt")

    def epoch(self, record: EpochRecord) -> None:
        """The epoch's figures, unless they are there from before a resume."""
        if self.step not in self._logged:
            self._metrics(scalars(record))

    def finish(self, results: Figures, pictures: Mapping[str, bytes]) -> None:
        """The results, the pictures as artifacts, and that the run is finished."""
        self._metrics(results)
        for name, png in pictures.items():
            self._client.log_image(self.run_id, Image.open(io.BytesIO(png)), f"{name}.png")
        self._finished = True

    def close(self) -> None:
        """End the run: FINISHED, or KILLED where `finish` was not called."""
        self._client.set_terminated(self.run_id, "FINISHED" if self._finished else "KILLED")

    def _metrics(self, values: Mapping[str, Any]) -> None:
        now = int(time.time() * 1000)
        numbers = {name: float(v) for name, v in values.items() if isinstance(v, int | float)}
        self._log(metrics=[self._entities.Metric(name, value, now, self.step) for name, value in numbers.items()])

    def _log(self, **batch: Any) -> None:
        self._client.log_batch(self.run_id, **batch)
