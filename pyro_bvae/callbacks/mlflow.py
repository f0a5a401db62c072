"""MLflow, at MLFLOW_TRACKING_URI or where MLflow keeps its runs otherwise.

Where a server does not answer, MLflow tries again for minutes, in which the fit would stand still. Here it gives up
after seconds, unless its own variables say otherwise.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from time import time
from typing import Any

from PIL.Image import Image

from ..files import wanted
from .destinations import PROJECT, Destination, Opened, Tracked, hyperparameters

__all__ = ["MLflow"]

PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "20"}  # times, and seconds
MOST_CHARACTERS = 500  # of a parameter


class MLflow(Destination):
    """Sends a fit to MLflow: metrics, parameters and images."""

    def begin(self, tracked: Tracked) -> Opened:
        """Begin a run, or go on with one that is there."""
        for name, value in PATIENCE.items():
            os.environ.setdefault(name, value)
        mlflow = wanted("mlflow", "the tracker mlflow", "trackers")
        self.mlflow, self.client = mlflow, mlflow.MlflowClient()
        self.run_id = tracked.id
        is_there = self.run_id is not None and self._is_there()
        if is_there:
            self.client.update_run(self.run_id, status="RUNNING")
        else:
            tags = {} if tracked.group is None else {"group": tracked.group}
            run = self.client.create_run(self._experiment(), run_name=tracked.name, tags=tags)
            self.run_id = run.info.run_id
            self.client.log_batch(self.run_id, params=self._parameters(tracked.config))
        where = f"{mlflow.get_tracking_uri()}, run {self.run_id}"
        return Opened(where, self.run_id, tracked.sent if is_there else 0)

    def line(self, numbers: Mapping[str, float], kl: Sequence[float] | None, step: int) -> None:  # noqa: ARG002
        """Log the numbers as metrics."""
        now, metric = int(1000 * time()), self.mlflow.entities.Metric
        self.client.log_batch(self.run_id, metrics=[metric(name, float(x), now, step) for name, x in numbers.items()])

    def picture(self, name: str, picture: Image, step: int) -> None:
        """Log an image."""
        self.client.log_image(self.run_id, picture, key=name, step=step)

    def end(self, is_finished: bool) -> None:
        """Say how the run ended."""
        self.client.set_terminated(self.run_id, "FINISHED" if is_finished else "KILLED")

    def _is_there(self) -> bool:
        """Whether a run that was begun before is still there, at this place."""
        try:
            return bool(self.client.get_run(self.run_id).info.lifecycle_stage == "active")
        except self.mlflow.exceptions.MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return False

    def _experiment(self) -> str:
        """The id of the experiment, which is made by whoever comes first."""
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT)
        there = self.client.get_experiment_by_name(name)
        if there is None:
            try:
                return str(self.client.create_experiment(name))
            except self.mlflow.exceptions.MlflowException:  # another process was faster
                there = self.client.get_experiment_by_name(name)
                if there is None:
                    raise
        return str(there.experiment_id)

    def _parameters(self, config: Mapping[str, Any]) -> list[Any]:
        parameter = self.mlflow.entities.Param
        return [parameter(name, str(value)[:MOST_CHARACTERS]) for name, value in hyperparameters(config).items()]
