"""A fit can be stopped anywhere, by anyone, and goes on as if it had not been."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import Cli, new_vae, same_parameters, without_timings
from pyro.infer import Trace_ELBO
from torch import Tensor

from pyro_bvae import BetaVAE, Callback, fit, load_run
from pyro_bvae.datasets import Dataset
from pyro_bvae.files import atomic_write
from pyro_bvae.runs.config import SettingsError
from pyro_bvae.runs.folder import RunFolder
from pyro_bvae.schedules import LinearWarmup
from pyro_bvae.training.interrupts import Interrupted
from pyro_bvae.training.state import OPTIMIZERS, Training


def noise_between_steps() -> None:
    """Whatever else a process does with the global generator."""
    torch.rand(17)


@pytest.mark.parametrize("optimizer", list(OPTIMIZERS))
@pytest.mark.parametrize("stop", [3, 5, 8])
def test_resume_equals_the_uninterrupted_run(stop: int, optimizer: str, images: Dataset, tmp_path: Path) -> None:
    options = {"batch_size": 16, "optimizer": optimizer, "lr_warmup": 6, "eval_every": 4}
    whole = fit(new_vae(), images, steps=11, out=tmp_path / "whole", **options)
    fit(new_vae(), images, steps=stop, out=tmp_path / "parts", **options)
    noise_between_steps()
    parts = fit(new_vae(seed=9), images, steps=11, out=tmp_path / "parts", resume=True, **options)
    assert same_parameters(whole.model, parts.model)
    assert without_timings(whole.history) == without_timings(parts.history)
    one, other = (RunFolder(tmp_path / name).load() for name in ("whole", "parts"))
    assert torch.equal(one["rng"]["cpu"], other["rng"]["cpu"])
    assert without_timings(RunFolder(tmp_path / "parts").read_history()) == without_timings(whole.history)


class Poison(Callback):
    """Make a parameter NaN after a step."""

    def __init__(self, step: int, part: str) -> None:
        self.step, self.part = step, part

    def on_step(self, training: Training) -> None:
        if training.step == self.step:
            next(getattr(training.vae, self.part).parameters()).data.fill_(float("nan"))


@pytest.mark.parametrize(("part", "term"), [("encoder", "rate"), ("decoder", "distortion")])
def test_a_nan_stops_the_run_and_leaves_the_last_good_checkpoint(
    part: str, term: str, images: Dataset, tmp_path: Path
) -> None:
    options = {"steps": 9, "checkpoint_every": 2, "eval_every": 3, "out": tmp_path / "run"}
    with pytest.raises(FloatingPointError, match=f"at step 6: .*the {term} is nan.*lower `lr`"):
        fit(new_vae(), images, callbacks=[Poison(5, part)], **options)
    assert RunFolder(tmp_path / "run").load()["step"] == 4
    resumed = fit(new_vae(), images, resume=True, **options)
    assert same_parameters(resumed.model, fit(new_vae(), images, steps=9, eval_every=3).model)


def test_a_checkpoint_is_never_written_with_a_nan_in_it(images: Dataset, tmp_path: Path) -> None:
    with pytest.raises(FloatingPointError, match=r"the parameter .* is not finite after step 4"):
        fit(new_vae(), images, steps=9, checkpoint_every=2, callbacks=[Poison(4, "encoder")], out=tmp_path / "run")
    assert RunFolder(tmp_path / "run").load()["step"] == 2


def test_a_run_that_diverges_stops_with_a_reason(images: Dataset, tmp_path: Path) -> None:
    with pytest.raises(FloatingPointError, match="lower `lr`"):
        fit(new_vae(), images, epochs=50, lr=30.0, optimizer="sgd", out=tmp_path / "run")


class Signal(Callback):
    """Sends signals to this process after a step."""

    def __init__(self, step: int, *numbers: signal.Signals) -> None:
        self.step, self.numbers = step, numbers

    def on_step(self, training: Training) -> None:
        if training.step == self.step:
            for number in self.numbers:
                os.kill(os.getpid(), number)
                time.sleep(0.01)  # the handler runs between two bytecodes of the main thread


@pytest.mark.parametrize(
    "numbers",
    [
        (signal.SIGINT,),
        (signal.SIGTERM,),
        (signal.SIGTERM, signal.SIGTERM),
        (signal.SIGTERM, signal.SIGINT),
        (signal.SIGINT, signal.SIGTERM, signal.SIGTERM),
    ],
)
def test_a_signal_lets_the_step_end_and_the_run_be_saved(numbers, images: Dataset, tmp_path: Path) -> None:
    options = {"steps": 9, "batch_size": 16, "out": tmp_path / "run"}
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(Interrupted) as stop:
        fit(new_vae(), images, callbacks=[Signal(5, *numbers)], **options)
    assert stop.value.step == RunFolder(tmp_path / "run").load()["step"] == 5
    assert stop.value.signal == numbers[0]
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    resumed = fit(new_vae(), images, resume=True, **options)
    whole = fit(new_vae(), images, steps=9, batch_size=16)
    assert same_parameters(resumed.model, whole.model)
    assert without_timings(resumed.history) == without_timings(whole.history)


def test_a_second_ctrl_c_acts_at_once(images: Dataset, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt) as stop:
        fit(new_vae(), images, steps=9, out=tmp_path, callbacks=[Signal(5, signal.SIGINT, signal.SIGINT)])
    assert not isinstance(stop.value, Interrupted)


def test_a_signal_that_is_ignored_stays_ignored(images: Dataset, tmp_path: Path) -> None:
    previous = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        run = fit(new_vae(), images, steps=6, out=tmp_path, callbacks=[Signal(5, signal.SIGTERM)])
    finally:
        signal.signal(signal.SIGTERM, previous)
    assert run.step == 6


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_command_says_how_to_go_on(
    number: signal.Signals, code: int, cli: Cli, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pyro_bvae_cli.fit.announcement", lambda _: Signal(2, number))
    options = ["--hidden", 8, "--latent-dim", 2, "--image-size", 8, "--no-compile", "--steps", 4, "--out", "run"]
    result = cli("fit", *options)
    assert result.exit_code == code
    assert result.stderr.splitlines()[-1] == (
        "stopped after step 2, all saved; go on with: pyro-bvae fit --resume --out run"
    )
    assert load_run(here / "run").step == 2


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_any_command_ends_in_an_orderly_way(
    number: signal.Signals, code: int, cli: Cli, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half_written(*_: object) -> None:
        with atomic_write(here / "a.json"):
            os.kill(os.getpid(), number)
            time.sleep(0.1)

    monkeypatch.setattr("pyro_bvae.datasets.remove_leftovers", half_written)
    result = cli("datasets", "--clean")
    assert (result.exit_code, result.stderr) == (code, "\ninterrupted\n")
    assert not any(here.iterdir())
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_ctrl_c_while_scoring_saves_too(images: Dataset, tmp_path: Path) -> None:
    class CtrlC(Callback):
        def on_record(self, record: dict[str, Any]) -> None:
            if record["step"] == 5:
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0.01)

    with pytest.raises(Interrupted):
        fit(new_vae(), images, steps=9, eval_every=1, checkpoint_every=100, out=tmp_path, callbacks=[CtrlC()])
    assert RunFolder(tmp_path).load()["step"] == 5


def test_a_run_stopped_at_its_new_end_gets_its_last_line(images: Dataset, tmp_path: Path) -> None:
    class CtrlC(Callback):
        def on_step(self, training: Training) -> None:
            if training.step == 5:
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0.01)

    options = {"eval_every": 4, "out": tmp_path}
    with pytest.raises(Interrupted):
        fit(new_vae(), images, steps=9, callbacks=[CtrlC()], **options)
    run = fit(new_vae(), images, steps=5, resume=True, **options)
    assert [record["step"] for record in run.history] == [4, 5]
    assert without_timings(run.history) == without_timings(fit(new_vae(), images, steps=5, eval_every=4).history)


class WarmUp(Callback):
    def on_step(self, training: Training) -> None:
        training.vae.beta = LinearWarmup(4.0, steps=8)(training.step)


def from_zero() -> BetaVAE:
    vae = new_vae()
    vae.beta = 0.0
    return vae


def test_a_schedule_of_beta_is_resumed(images: Dataset, tmp_path: Path) -> None:
    whole = fit(from_zero(), images, steps=9, callbacks=[WarmUp()])
    part = fit(from_zero(), images, steps=5, callbacks=[WarmUp()], out=tmp_path)
    assert load_run(tmp_path).model.beta == 2.5
    resumed = fit(part.model, images, steps=9, callbacks=[WarmUp()], out=tmp_path, resume=True)
    assert same_parameters(whole.model, resumed.model)
    assert resumed.config["beta"] == 0.0


class Shaky(BetaVAE):
    """Networks that behave otherwise in training, a part that is frozen in evaluation mode, a learned scale."""

    def __init__(self) -> None:
        super().__init__((1, 16, 16), 3, hidden=(20,), beta=4.0, likelihood="gaussian-optimal")
        norm, frozen = torch.nn.BatchNorm1d(256), torch.nn.BatchNorm1d(256)
        layers = [torch.nn.Flatten(), norm, frozen.eval(), torch.nn.Dropout(0.2), torch.nn.Unflatten(1, (1, 16, 16))]
        self.front = torch.nn.Sequential(*layers)

    def encode(self, x: Tensor) -> torch.distributions.Distribution:
        return super().encode(self.front(x))


def test_modes_and_buffers_of_networks_are_resumed(images: Dataset, tmp_path: Path) -> None:
    def shaky() -> BetaVAE:
        torch.manual_seed(0)
        return Shaky()

    whole = fit(shaky(), images, steps=9, batch_size=27)
    fit(shaky(), images, steps=4, batch_size=27, out=tmp_path)
    parts = fit(shaky(), images, steps=9, batch_size=27, out=tmp_path, resume=True)
    one, other = whole.model.state_dict(), parts.model.state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert [module.training for module in parts.model.front] == [True, True, False, True, True]
    assert one["front.2.num_batches_tracked"] == 0
    assert one["likelihood.variance"] > 0


def test_a_kill_at_any_moment_leaves_a_run_that_resumes(tmp_path: Path) -> None:
    script = """
        import sys, torch
        from pyro_bvae import BetaVAE, fit
        from pyro_bvae.datasets import Dataset
        images = torch.randint(0, 256, (60, 1, 16, 16), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
        torch.manual_seed(0)
        torch.set_num_threads(1)
        print("ready", flush=True)
        fit(BetaVAE((1, 16, 16), 3, hidden=(20,)), Dataset("noise", images), steps=int(sys.argv[2]), batch_size=16,
            eval_every=1, checkpoint_every=1, out=sys.argv[1], resume=len(sys.argv) > 3, compile=False)
    """
    command = [sys.executable, "-c", textwrap.dedent(script), str(tmp_path / "run"), "100000"]
    for delay in (0.0, 0.1, 1.5, None):
        resume = ["resume"] * (tmp_path / "run" / "config.json").exists()
        process = subprocess.Popen([*command, *resume], stdout=subprocess.PIPE)
        process.stdout.readline()
        deadline = time.monotonic() + (60 if delay is None else delay)
        while time.monotonic() < deadline and not (delay is None and (tmp_path / "run" / "checkpoint.pt").exists()):
            time.sleep(0.01)
        process.kill()
        process.communicate()
    folder = RunFolder(tmp_path / "run")
    step = folder.load()["step"]
    assert step > 0
    command[-1] = str(step + 2)
    subprocess.run([*command, "resume"], check=True, capture_output=True)
    command[-2] = str(tmp_path / "whole")
    subprocess.run(command, check=True, capture_output=True)
    one, other = (RunFolder(tmp_path / name).load()["model"] for name in ("run", "whole"))
    assert all(torch.equal(one[name], other[name]) for name in one)
    history = [json.loads(line) for line in (tmp_path / "run" / "history.jsonl").read_text().splitlines()]
    assert [record["step"] for record in history] == list(range(1, step + 3))


def test_resume_starts_again_where_there_is_no_checkpoint(images: Dataset, tmp_path: Path) -> None:
    whole = fit(new_vae(), images, steps=4, out=tmp_path / "run")
    (tmp_path / "run" / "checkpoint.pt").unlink()
    again = fit(new_vae(), images, steps=4, out=tmp_path / "run", resume=True)
    assert same_parameters(whole.model, again.model)
    assert without_timings(whole.history) == without_timings(load_run(tmp_path / "run").history)


def test_a_finished_run_is_left_alone(images: Dataset, tmp_path: Path) -> None:
    whole = fit(new_vae(), images, steps=5, out=tmp_path / "run", eval_every=2)
    for steps in (5, 3):
        again = fit(new_vae(), images, steps=steps, out=tmp_path / "run", eval_every=2, resume=True)
        assert again.step == 5
        assert same_parameters(whole.model, again.model)
        assert without_timings(whole.history) == without_timings(again.history)


def test_resume_with_other_settings_is_refused(images: Dataset, tmp_path: Path) -> None:
    fit(new_vae(), images, steps=2, out=tmp_path / "run")
    with pytest.raises(SettingsError, match=r"lr is 0\.001 in the run and 0\.1 here; seed is 0 in the run and 1 here"):
        fit(new_vae(), images, steps=4, out=tmp_path / "run", resume=True, lr=0.1, seed=1)
    other = Dataset("noise", images.images.flip(0).contiguous())
    with pytest.raises(SettingsError, match="fingerprint"):
        fit(new_vae(), other, steps=4, out=tmp_path / "run", resume=True)


def test_another_elbo_is_stored_and_must_be_the_same(images: Dataset, tmp_path: Path) -> None:
    fit(new_vae(), images, steps=2, out=tmp_path, elbo=Trace_ELBO(num_particles=3))
    with pytest.raises(SettingsError, match="elbo is 'Trace_ELBO.num_particles=3.' in the run"):
        fit(new_vae(), images, steps=4, out=tmp_path, resume=True)


def test_a_refused_resume_leaves_the_model_as_it_was(images: Dataset, tmp_path: Path) -> None:
    vae = new_vae()
    fit(vae, images, steps=3, match_rate=2.0, out=tmp_path)
    moved = vae.beta_value
    assert moved != 4.0
    with pytest.raises(SettingsError, match="lr is"):
        fit(vae, images, steps=6, match_rate=2.0, lr=0.5, out=tmp_path, resume=True)
    assert vae.beta_value == moved
