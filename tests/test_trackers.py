"""A tracker shows what the history says, whichever tracker it is, and changes nothing of a fit."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Cli, new_vae, same_parameters, without_timings
from PIL import Image
from trackers import Lines, mlflow_lines, of_tensorboard, tensorboard_lines, wandb_lines, wandb_records

from pyro_bvae import BetaVAE, Callback, fit, load_run
from pyro_bvae.callbacks import Destination, Figures, Log, Logger, Tracker, tracker
from pyro_bvae.callbacks.destinations import MOST_LINES, Opened, Tracked, hyperparameters, numbers_of
from pyro_bvae.callbacks.projector import MOST_CODES, MOST_LATENTS, write_projector
from pyro_bvae.datasets import Dataset
from pyro_bvae.files import MissingPackageError
from pyro_bvae.runs.run import Run
from pyro_bvae.settings.names import TRACKERS
from pyro_bvae.training import Interrupted, Training


@pytest.fixture(autouse=True)
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder where trackers may write, and no network."""
    monkeypatch.chdir(tmp_path)
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_RUN_GROUP", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    settings = {"MLFLOW_TRACKING_URI": str(tmp_path / "mlruns"), "MLFLOW_ALLOW_FILE_STORE": "true", "CI": "1"}
    settings |= {"MLFLOW_DISABLE_TELEMETRY": "true", "WANDB_ERROR_REPORTING": "false", "NETRC": str(tmp_path / "netrc")}
    settings |= {"WANDB_CONFIG_DIR": str(tmp_path), "WANDB_CACHE_DIR": str(tmp_path), "WANDB_DATA_DIR": str(tmp_path)}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    return tmp_path


class Kept(Destination):
    """Keeps what it was sent, and does what a rough package does to a process."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.fails_at = fails_at
        self.lines: Lines = {}
        self.pictures: list[tuple[str, int]] = []
        self.tracked: list[Tracked] = []
        self.ends: list[bool] = []

    def begin(self, tracked: Tracked) -> Opened:
        self.tracked.append(tracked)
        self.disturb()
        return Opened("here", "one", tracked.sent)

    def line(self, numbers: Mapping[str, float], kl: Sequence[float] | None, step: int) -> None:  # noqa: ARG002
        self.disturb()
        if self.fails_at is not None and step >= self.fails_at:
            raise ConnectionError("the server is gone")
        assert step not in self.lines
        self.lines[step] = dict(numbers)

    def picture(self, name: str, picture: Image.Image, step: int) -> None:  # noqa: ARG002
        self.disturb()
        self.pictures.append((name, step))

    def end(self, is_finished: bool) -> None:
        self.ends.append(is_finished)

    def disturb(self) -> None:
        random.seed(7)
        np.random.seed(7)
        torch.manual_seed(7)
        sys.excepthook, sys.exit = (lambda *_: None), (lambda *_: None)
        print("hello")


def lines_of(history: Sequence[Mapping[str, Any]]) -> Lines:
    return {record["step"]: numbers_of(record) for record in history}


def same_lines(one: Lines, other: Lines, digits: float = 1e-6) -> bool:
    """Whether lines have the same steps and names, and numbers that are the same up to 32 bits."""
    assert {step: set(line) for step, line in one.items()} == {step: set(line) for step, line in other.items()}
    return all(
        value == pytest.approx(other[step][name], rel=digits, abs=1e-12)
        for step, line in one.items()
        for name, value in line.items()
    )


def known_by(name: str, to: Destination, **options: Any) -> Tracker:
    """A tracker with a run of its own in trackers.json, as those with names have."""
    made = Tracker(to, **options)
    made.name, made.known = name, True
    return made


def test_every_line_is_sent_as_the_history_has_it(images: Dataset, at_home: Path) -> None:
    kept = Kept()
    run = fit(new_vae(), images, steps=7, eval_every=3, out="run", callbacks=[Tracker(kept, Figures())])
    assert kept.lines == lines_of(run.history)
    assert {"training/loss", "held_out/elbo", "held_out/active_units", "kl/z2", "training_kl/z0", "steps/beta"} <= {
        *kept.lines[7]
    }
    assert kept.pictures == [("traversal", 7), ("reconstructions", 7), ("samples", 7)]
    assert kept.ends == [True]


@pytest.mark.parametrize("name", [*TRACKERS, "kept"])
def test_a_tracker_disturbs_no_fit(name: str, images: Dataset, at_home: Path) -> None:
    plain = fit(new_vae(), images, steps=6, eval_every=2, out="plain", callbacks=[])
    to: Any = Kept() if name == "kept" else imported(name)
    torch.manual_seed(3)
    random.seed(3)
    np.random.seed(3)
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    process = of_process()
    vae = new_vae()
    torch.set_rng_state(before[0])
    tracked = fit(vae, images, steps=6, eval_every=2, out="tracked", callbacks=[Tracker(to, Figures())])
    assert same_parameters(plain.model, tracked.model)
    assert without_timings(plain.history) == without_timings(tracked.history)
    state = [torch.load(f"{out}/checkpoint.pt")["rng"]["cpu"] for out in ("plain", "tracked")]
    assert torch.equal(*state)
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1:] == (random.getstate(), np.random.get_state()[1].tolist())
    assert of_process() == process


def of_process() -> tuple[Any, ...]:
    """What a package may change in the process."""
    hooks = sys.exit, sys.excepthook, signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    return *hooks, torch.get_num_threads(), torch.is_grad_enabled(), sys.stdout, sys.stderr


def imported(name: str) -> str:
    """The name of a tracker whose package is installed."""
    pytest.importorskip({"tensorboard": "tensorboard", "wandb": "wandb"}.get(name, name))
    return name


@pytest.mark.parametrize("fails_at", [0, 4, 9])
def test_a_tracker_that_fails_warns_once_and_ends_no_fit(fails_at: int, images: Dataset, at_home: Path) -> None:
    plain, kept = fit(new_vae(), images, steps=9, eval_every=1), Kept(fails_at)
    with pytest.warns(UserWarning, match="tracks this fit no longer: the server is gone") as warned:
        run = fit(new_vae(), images, steps=9, eval_every=1, out="run", callbacks=[known_by("kept", kept)])
    assert len(warned) == 1
    assert same_parameters(plain.model, run.model)
    assert sorted(kept.lines) == list(range(1, fails_at))
    assert kept.ends == [False]
    assert json.loads(Path("run/trackers.json").read_text()) == {"kept": {"id": "one", "step": max(0, fails_at - 1)}}


@pytest.mark.parametrize("where", ["begin", "picture", "codes", "end"])
def test_wherever_it_fails_a_fit_goes_on(where: str, images: Dataset, at_home: Path) -> None:
    kept = Kept()

    def fail(*_: object) -> None:
        raise MemoryError

    setattr(kept, where, fail)
    with pytest.warns(UserWarning, match="Kept tracks this fit no longer: MemoryError") as warned:
        assert fit(new_vae(), images, steps=3, out="run", callbacks=[Tracker(kept, Figures())]).step == 3
    assert len(warned) == 1


def test_a_line_that_was_not_sent_is_sent_when_the_fit_goes_on(images: Dataset, at_home: Path) -> None:
    fit(new_vae(), images, steps=2, eval_every=1, out="run")
    kept = Kept(fails_at=4)
    with pytest.warns(UserWarning, match="no longer"):
        fit(new_vae(), images, steps=5, eval_every=1, out="run", resume=True, callbacks=[known_by("kept", kept)])
    kept.fails_at = None
    run = fit(new_vae(), images, steps=7, eval_every=1, out="run", resume=True, callbacks=[known_by("kept", kept)])
    assert kept.lines == lines_of(run.history)
    assert [(tracked.id, tracked.sent) for tracked in kept.tracked] == [(None, 0), ("one", 3)]


def test_a_line_that_a_resume_cuts_is_not_sent_twice(images: Dataset, at_home: Path) -> None:
    kept = Kept()
    fit(new_vae(), images, steps=5, eval_every=2, out="run", callbacks=[known_by("kept", kept)])
    run = fit(new_vae(), images, steps=8, eval_every=2, out="run", resume=True, callbacks=[known_by("kept", kept)])
    assert [record["step"] for record in run.history] == [2, 4, 6, 8]  # 5 closed the shorter run
    assert sorted(kept.lines) == [2, 4, 5, 6, 8]


class Stop(Callback):
    """Ctrl-C after a step."""

    def __init__(self, after: int) -> None:
        self.after = after

    def on_step(self, training: Training) -> None:
        if training.step == self.after:
            os.kill(os.getpid(), signal.SIGINT)


def test_tensorboard_reads_what_the_history_says(images: Dataset, at_home: Path) -> None:
    imported("tensorboard")
    run = fit(new_vae(), images, steps=6, eval_every=2, out="run", callbacks=[Tracker("tensorboard", Figures(every=3))])
    assert same_lines(tensorboard_lines(Path("run/tensorboard")), lines_of(run.history))
    events = of_tensorboard(Path("run/tensorboard"))
    assert [[image.step for image in events.Images(name)] for name in ("traversal", "reconstructions", "samples")] == [
        [4, 6]
    ] * 3
    (histogram,) = [event for event in events.Histograms("kl_per_latent") if event.step == 6]
    kl = run.history[-1]["held_out_kl_per_latent"]
    assert histogram.histogram_value.num == 3
    assert histogram.histogram_value.sum == pytest.approx(sum(kl))
    assert run.notes == [f"tracked by tensorboard: {at_home / 'run' / 'tensorboard'}"]


def test_tensorboard_has_a_table_of_settings(images: Dataset, at_home: Path) -> None:
    imported("tensorboard")
    plugin = pytest.importorskip("tensorboard.plugins.hparams.plugin_data_pb2")
    run = fit(new_vae(), images, steps=2, out="run", callbacks=[Tracker("tensorboard")])
    contents = of_tensorboard(Path("run/tensorboard")).summary_metadata
    parts = {tag: plugin.HParamsPluginData.FromString(meta.plugin_data.content) for tag, meta in contents.items()
             if meta.plugin_data.plugin_name == "hparams"}  # fmt: skip
    start = parts["_hparams_/session_start_info"].session_start_info.hparams
    expected = hyperparameters(run.config)
    assert {name: getattr(value, value.WhichOneof("kind")) for name, value in start.items()} == expected
    metrics = [metric.name.tag for metric in parts["_hparams_/experiment"].experiment.metric_infos]
    assert {*metrics} <= {*numbers_of(run.history[-1])}
    assert parts["_hparams_/session_end_info"].session_end_info.status == 1  # a success


def test_a_resumed_fit_goes_on_in_its_event_files(images: Dataset, at_home: Path) -> None:
    imported("tensorboard")
    how: dict[str, Any] = {"eval_every": 2, "out": "run"}
    with pytest.raises(Interrupted):
        fit(new_vae(), images, steps=9, callbacks=[Stop(5), Tracker("tensorboard", Figures())], **how)
    assert sorted(tensorboard_lines(Path("run/tensorboard"))) == [2, 4]
    for steps in (7, 10):
        run = fit(new_vae(), images, steps=steps, resume=True, callbacks=[Tracker("tensorboard", Figures())], **how)
        assert same_lines(tensorboard_lines(Path("run/tensorboard")), lines_of(run.history))
    assert [image.step for image in of_tensorboard(Path("run/tensorboard")).Images("traversal")] == [10]  # 7 was cut


def test_a_fit_that_is_tracked_later_sends_what_was_before(images: Dataset, at_home: Path) -> None:
    imported("tensorboard")
    fit(new_vae(), images, steps=4, eval_every=2, out="run")
    run = fit(new_vae(), images, steps=6, eval_every=2, out="run", resume=True, callbacks=[Tracker("tensorboard")])
    assert same_lines(tensorboard_lines(Path("run/tensorboard")), lines_of(run.history))
    assert len(run.history) == 3


def test_overwriting_a_run_removes_what_was_tracked_and_leaves_ones_own_files(images: Dataset, at_home: Path) -> None:
    imported("tensorboard")
    fit(new_vae(), images, steps=4, out="run", callbacks=[Tracker("tensorboard", Figures())])
    own = Path("run/tensorboard/notes.txt")
    own.write_text("mine")
    run = fit(new_vae(), images, steps=2, out="run", overwrite=True, callbacks=[Tracker("tensorboard")])
    assert same_lines(tensorboard_lines(own.parent), lines_of(run.history))
    fit(new_vae(), images, steps=2, out="run", overwrite=True)
    assert [file.name for file in own.parent.iterdir()] == ["notes.txt"]
    assert not Path("run/trackers.json").exists()


def test_a_full_disk_ends_no_fit(images: Dataset, at_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records = pytest.importorskip("tensorboard.summary.writer.record_writer").RecordWriter
    written, write = [], records.write

    def fill(writer: Any, data: bytes) -> None:
        written.append(data)
        if len(written) > 30:
            raise OSError(28, "No space left on device")
        write(writer, data)

    monkeypatch.setattr(records, "write", fill)
    with pytest.warns(UserWarning, match=r"tensorboard tracks this fit no longer: .*No space left on device.*tfevents"):
        assert fit(new_vae(), images, steps=6, eval_every=2, out="run", callbacks=[Tracker("tensorboard")]).step == 6


def test_tensorboard_wants_a_folder(images: Dataset) -> None:
    imported("tensorboard")
    with pytest.raises(ValueError, match="give fit an `out`"):
        fit(new_vae(), images, steps=1, callbacks=[Tracker("tensorboard")])


class Fixed:
    """A run as the projector sees it."""

    def __init__(self, model: BetaVAE, data: Dataset) -> None:
        self.model, self.data = model, data

    def dataset(self) -> Dataset:
        return self.data


@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 70, 40), (2, 1, 5)])
def test_the_projector_has_a_code_a_line_with_its_label_and_its_picture(shape: tuple[int, ...], tmp_path: Path) -> None:
    random_images = torch.randint(0, 256, (60, *shape), dtype=torch.uint8)
    labels, factors = torch.arange(60) % 3, torch.stack([torch.arange(60) % 4, torch.arange(60) % 5], 1)
    names = ["a\tb", "c", "d"]
    data = Dataset("x", random_images, labels, names, factors, ["posX", "posY"])
    vae = BetaVAE(shape, 3, hidden=(4,))
    write_projector(Fixed(vae, data), tmp_path)  # type: ignore[arg-type]
    codes = np.loadtxt(tmp_path / "codes.tsv")
    with torch.no_grad():
        loc = vae.encode(data.images[data.held_out] / 255).mean
    np.testing.assert_allclose(codes, loc, rtol=1e-3, atol=1e-5)
    head, *rows = [line.split("\t") for line in (tmp_path / "metadata.tsv").read_text().splitlines()]
    assert head == ["label", "posX", "posY", "number"]
    shown = [names[label].replace("\t", "\\t") for label in labels[data.held_out].tolist()]
    assert [row[0] for row in rows] == shown
    assert [int(row[1]) for row in rows] == factors[data.held_out, 0].tolist()
    assert [int(row[3]) for row in rows] == list(range(6))
    side = min(32, max(shape[1:]))
    with Image.open(tmp_path / "sprite.png") as sprite:
        assert sprite.size == (3 * side, 3 * side)  # six pictures
    assert f"single_image_dim: {side}" in (tmp_path / "projector_config.pbtxt").read_text()


def test_a_thumbnail_of_a_small_image_is_that_image(images: Dataset, tmp_path: Path) -> None:
    write_projector(Fixed(new_vae(), images), tmp_path)  # type: ignore[arg-type]
    with Image.open(tmp_path / "sprite.png") as sprite:
        shown = np.asarray(sprite)[16:32, :16]  # the first of the second row: the fourth of six
    np.testing.assert_array_equal(shown[..., 0], images.images[images.held_out][3, 0])


def test_the_projector_is_bounded(tmp_path: Path) -> None:
    many = Dataset("many", torch.randint(0, 256, (50_000, 1, 2, 2), dtype=torch.uint8))
    wide = BetaVAE((1, 2, 2), latent_dim=300, hidden=(2,))
    write_projector(Fixed(wide, many), tmp_path)  # type: ignore[arg-type]
    codes = [line.split("\t") for line in (tmp_path / "codes.tsv").read_text().splitlines()]
    assert (len(codes), len(codes[0])) == (MOST_CODES, MOST_LATENTS)
    with Image.open(tmp_path / "sprite.png") as sprite:
        assert max(sprite.size) <= 8192


@pytest.mark.parametrize("latents", [1, 200, MOST_LINES + 1])
def test_vectors_and_any_number_of_latents_are_tracked(latents: int, vectors: Dataset, at_home: Path) -> None:
    imported("tensorboard")
    vae = BetaVAE((5,), latents, hidden=(4,), likelihood="gaussian")
    figures = Figures() if latents == 1 else None
    run = fit(vae, vectors, steps=2, out="run", callbacks=[Tracker("tensorboard", figures)])
    lines = tensorboard_lines(Path("run/tensorboard"))
    assert same_lines(lines, lines_of(run.history))
    assert sum(name.startswith("kl/") for name in lines[2]) == (latents if latents <= MOST_LINES else 0)
    assert len(of_tensorboard(Path("run/tensorboard")).Histograms("kl_per_latent")) == len(lines)
    if figures is None:
        return
    assert {*of_tensorboard(Path("run/tensorboard")).Tags()["images"]} == {
        "traversal", "samples", "reconstructions", "covariances", "latents"
    }  # fmt: skip
    assert (Path("run/tensorboard") / "metadata.tsv").read_text().split() == [str(number) for number in range(10)]
    assert not (Path("run/tensorboard") / "sprite.png").exists()


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


def test_a_missing_package_is_named_before_data_are_read(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, install in {"wandb": "'pyro-bvae[trackers]'", "trackio": "trackio"}.items():
        monkeypatch.setitem(sys.modules, name, None)
        for command in ("fit", "compare"):
            result = cli(command, "--track", name, "--dataset", "npz:nothing.npz")
            assert result.exit_code == 1
            assert f"the tracker {name} needs {name}: pip install {install}" in result.stderr
        with pytest.raises(MissingPackageError, match="pip install"):
            Tracker(name)


def test_no_package_is_imported_unless_its_tracker_is_asked_for() -> None:
    code = f"import sys, pyro_bvae.callbacks; print(*{set(TRACKERS)} & {{*sys.modules}})"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.split() == []


def test_an_unknown_tracker_is_answered_with_the_nearest(cli: Cli) -> None:
    result = cli("fit", "--track", "tensorbord")
    assert result.exit_code == 2
    assert "did you mean 'tensorboard'?" in result.stderr
    with pytest.raises(TypeError, match="or has log"):
        Tracker(3)


def test_the_command_line_tracks_stops_tracking_and_goes_on(cli: Cli, at_home: Path) -> None:
    imported("tensorboard")
    imported("mlflow")
    fitted = cli("fit", "--track", "tensorboard", "--track", "mlflow", "--steps", 2, "--hidden", 8, "--out", "run")
    assert fitted.exit_code == 0, fitted.stderr
    assert "note    tracked by tensorboard: " in fitted.stdout
    assert load_run("run").config["track"] == "tensorboard,mlflow"
    assert cli("fit", "--resume", "--out", "run", "--steps", 4, "--track", "none").exit_code == 0
    assert cli("fit", "--resume", "--out", "run", "--steps", 6, "--track", "tensorboard", "--json").exit_code == 0
    assert same_lines(tensorboard_lines(Path("run/tensorboard")), lines_of(load_run("run").history))
    assert [*of_tensorboard(Path("run/tensorboard")).Tags()["images"]] == []  # without figures


def test_a_comparison_has_a_tracked_run_a_fit_in_a_group(cli: Cli, at_home: Path) -> None:
    imported("tensorboard")
    mlflow, _ = pytest.importorskip("mlflow"), imported("mlflow")
    words = ["--beta", 1, "--beta", 4, "--steps", 2, "--hidden", 8, "--track", "mlflow", "--track", "tensorboard"]
    compared = cli("compare", *words, "--out", "betas")
    assert compared.exit_code == 0, compared.stderr
    for name in ("beta1-seed0", "beta4-seed0"):
        run = load_run(f"betas/{name}")
        assert same_lines(tensorboard_lines(Path(f"betas/{name}/tensorboard")), lines_of(run.history))
    client = mlflow.MlflowClient()
    tracked = client.search_runs([client.get_experiment_by_name("pyro-bvae").experiment_id])
    assert {(one.info.run_name, one.data.tags["group"]) for one in tracked} == {
        ("beta1-seed0", "betas"),
        ("beta4-seed0", "betas"),
    }


def test_every_tracker_has_a_destination_and_a_package() -> None:
    assert tuple(tracker.DESTINATIONS) == tuple(tracker.EXTRA) == TRACKERS


def test_a_run_can_be_tracked_twice_at_a_time(images: Dataset, at_home: Path) -> None:
    one, other = Kept(), Kept(fails_at=2)
    with pytest.warns(UserWarning, match="no longer"):
        run: Run = fit(new_vae(), images, steps=4, eval_every=1, callbacks=[Tracker(one), Tracker(other)])
    assert one.lines == lines_of(run.history)
    assert sorted(other.lines) == [1]
