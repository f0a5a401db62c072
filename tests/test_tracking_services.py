"""Weights & Biases, MLflow, Trackio and a plain log get what the history says, and go on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import new_vae
from tracked import Stop, imported, lines_of, same_lines
from trackers import mlflow_lines, wandb_lines, wandb_records

from pyro_bvae import fit
from pyro_bvae.callbacks import Figures, Log, Logger, Tracker
from pyro_bvae.callbacks.destinations import numbers_of
from pyro_bvae.datasets import Dataset
from pyro_bvae.training import Interrupted

pytestmark = pytest.mark.usefixtures("at_home")


def test_a_log_gets_numbers_and_what_it_can_show(images: Dataset, at_home: Path) -> None:
    logged: dict[int, dict[str, Any]] = {}

    class Mine:
        def log(self, values: dict[str, Any], step: int) -> None:
            logged.setdefault(step, {}).update(values)

    run = fit(new_vae(), images, steps=2, callbacks=[Tracker(Mine(), Figures())])
    assert logged == lines_of(run.history)
    shows = Log(Mine().log, picture=lambda picture: picture.size, histogram=list)
    fit(new_vae(), images, steps=2, callbacks=[Tracker(Logger(lambda _: shows), Figures())])
    assert logged[2].keys() - numbers_of(run.history[-1]) == {
        "kl_per_latent",
        "traversal",
        "reconstructions",
        "samples",
    }


def test_weights_and_biases_has_the_history_and_goes_on(images: Dataset, at_home: Path) -> None:
    imported("wandb")
    how: dict[str, Any] = {"eval_every": 2, "out": "betas/run"}
    fit(new_vae(), images, steps=5, callbacks=[Tracker("wandb", Figures(), group="betas")], **how)
    run = fit(new_vae(), images, steps=8, resume=True, callbacks=[Tracker("wandb", Figures(), group="betas")], **how)
    lines = wandb_lines(at_home / "wandb")
    closing = lines.pop(5)
    assert same_lines(lines, lines_of(run.history), digits=1e-9)
    assert closing.keys() == lines[8].keys()
    begun = [record.run for record in wandb_records(at_home / "wandb") if record.WhichOneof("record_type") == "run"]
    assert {(one.run_id, one.run_group, one.display_name, one.project) for one in begun} == {
        (json.loads(Path("betas/run/trackers.json").read_text())["wandb"]["id"], "betas", "run", "pyro-bvae")
    }
    assert len(list((at_home / "wandb").glob("offline-run-*/files/media/images/traversal_*.png"))) == 2


@pytest.mark.parametrize("place", ["mlruns", pytest.param("sqlite:///{}/mlflow.db", marks=pytest.mark.slow)])
def test_mlflow_has_the_history_and_goes_on(
    place: str, images: Dataset, at_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    imported("mlflow")
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", place.format(at_home))
    how: dict[str, Any] = {"eval_every": 2, "out": "run"}
    with pytest.raises(Interrupted):
        fit(new_vae(), images, steps=9, callbacks=[Stop(5), Tracker("mlflow", Figures(), group="betas")], **how)
    client = mlflow.MlflowClient()
    (stopped,) = client.search_runs([client.get_experiment_by_name("pyro-bvae").experiment_id])
    assert (stopped.info.status, stopped.data.tags["group"], stopped.info.run_name) == ("KILLED", "betas", "run")
    run = fit(new_vae(), images, steps=8, resume=True, callbacks=[Tracker("mlflow", Figures())], **how)
    assert same_lines(mlflow_lines(client, stopped.info.run_id), lines_of(run.history), digits=1e-9)
    ended = client.get_run(stopped.info.run_id)
    assert ended.info.status == "FINISHED"
    assert ended.data.params["beta"] == "4.0"
    pictures = [file.path for file in client.list_artifacts(stopped.info.run_id, "images")]
    assert any(path.startswith("images/traversal") for path in pictures)


def test_a_run_that_mlflow_no_longer_has_is_begun_anew(
    images: Dataset, at_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    imported("mlflow")
    mlflow = pytest.importorskip("mlflow")
    fit(new_vae(), images, steps=2, out="run", callbacks=[Tracker("mlflow")])
    monkeypatch.setenv("MLFLOW_TRACKING_URI", str(at_home / "elsewhere"))
    run = fit(new_vae(), images, steps=4, out="run", resume=True, callbacks=[Tracker("mlflow")])
    id_now = json.loads(Path("run/trackers.json").read_text())["mlflow"]["id"]
    assert same_lines(mlflow_lines(mlflow.MlflowClient(), id_now), lines_of(run.history), digits=1e-9)


def test_trackio_has_the_history_and_goes_on(images: Dataset, at_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = pytest.importorskip("trackio.sqlite_storage")
    for module in (storage, pytest.importorskip("trackio.utils")):
        monkeypatch.setattr(module, "TRACKIO_DIR", at_home / "trackio")
    how: dict[str, Any] = {"eval_every": 2, "out": "run"}
    fit(new_vae(), images, steps=5, callbacks=[Tracker("trackio", group="betas")], **how)
    run = fit(new_vae(), images, steps=8, resume=True, callbacks=[Tracker("trackio")], **how)
    (name,) = storage.SQLiteStorage.get_runs("pyro-bvae")
    logs = storage.SQLiteStorage.get_logs("pyro-bvae", name)
    assert [log["step"] for log in logs] == [2, 4, 5, 6, 8]
    lines = {log["step"]: {key: value for key, value in log.items() if "/" in key} for log in logs if log["step"] != 5}
    assert same_lines(lines, lines_of(run.history), digits=1e-9)
