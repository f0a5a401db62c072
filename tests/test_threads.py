"""How many threads a fit takes, and how they wait."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch
from conftest import Cli
from pyro.infer import TraceMeanField_ELBO
from pyro_bvae_cli import waiting

from pyro_bvae import BetaVAE, datasets, fit, ranks
from pyro_bvae.runs.config import SettingsError
from pyro_bvae.settings.names import THREADS_OF_THE_USER, threads_are_named
from pyro_bvae.settings.training import TrainingSettings
from pyro_bvae.training import threads
from pyro_bvae.training.state import Training

DIGITS = datasets.load("digits", image_size=8)


@pytest.fixture(autouse=True)
def _machine(monkeypatch):
    """A machine of eight cores, on which nobody has set anything."""
    for name in THREADS_OF_THE_USER:
        monkeypatch.delenv(name, raising=False)
    before = torch.get_num_threads()
    torch.set_num_threads(8)
    monkeypatch.setattr(threads, "cpu_count", lambda: 8)
    yield
    torch.set_num_threads(before)


def suitable(width: int, **settings) -> int:
    vae = BetaVAE(DIGITS.shape, 2, hidden=(width,))
    return threads.suitable_threads(Training(vae, DIGITS, TrainingSettings(**settings), TraceMeanField_ELBO()))


def test_wider_networks_and_larger_batches_take_more_threads_up_to_the_cores(monkeypatch):
    by_width = [suitable(width) for width in (1, 64, 512, 4096)]
    assert by_width == sorted(by_width)
    assert by_width[0] == 1
    assert by_width[-1] == 8
    assert suitable(1024, batch_size=1) <= suitable(1024, batch_size=64)
    monkeypatch.setattr(threads, "cpu_count", lambda: 3)  # a container's share
    assert suitable(4096) == 3
    torch.set_num_threads(2)  # by the user, from Python
    assert suitable(4096) == 2


def test_the_one_thread_of_torchrun_is_not_the_users_word(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert threads_are_named()
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    assert not threads_are_named()
    monkeypatch.setenv("MKL_NUM_THREADS", "1")
    assert threads_are_named()


def test_ranks_of_a_machine_share_its_cores(monkeypatch):
    monkeypatch.setattr(ranks, "size", lambda: 2)
    monkeypatch.setattr(ranks, "local_size", lambda: 2)
    torch.set_num_threads(1)  # as under torchrun
    assert suitable(4096) == 4


@pytest.mark.parametrize("name", THREADS_OF_THE_USER)
def test_the_environment_is_never_overruled(name, monkeypatch):
    monkeypatch.setenv(name, "5")
    torch.set_num_threads(5)  # as PyTorch does when it is loaded
    assert suitable(1) == 5


def fitted(path, **settings):
    torch.manual_seed(0)
    vae = BetaVAE(DIGITS.shape, 2, hidden=(8,))
    return fit(vae, DIGITS, out=path, compile=False, **settings)


def test_a_resumed_run_takes_the_threads_that_it_had(tmp_path):
    assert fitted(tmp_path / "run", steps=2, threads=3).config["threads"] == 3
    torch.set_num_threads(1)
    assert fitted(tmp_path / "run", steps=4, resume=True).config["threads"] == 3
    assert torch.get_num_threads() == 1


@pytest.mark.filterwarnings("ignore:the run took")
def test_other_threads_at_a_resume_are_said_and_stored(tmp_path):
    fitted(tmp_path / "run", steps=2, threads=3)
    with pytest.warns(UserWarning, match="took 3 threads and goes on with 2: last digits may differ"):
        fitted(tmp_path / "run", steps=4, resume=True, threads=2)
    assert json.loads((tmp_path / "run" / "config.json").read_text(encoding="utf-8"))["threads"] == 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted(tmp_path / "run", steps=6, resume=True)


def test_other_settings_are_refused_before_other_threads_are_said(tmp_path):
    fitted(tmp_path / "run", steps=2, threads=3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(SettingsError, match="lr is 0.001 in the run and 0.5 here"):
            fitted(tmp_path / "run", steps=4, resume=True, threads=2, lr=0.5)


def test_the_environment_comes_before_what_a_run_had(tmp_path, monkeypatch):
    fitted(tmp_path / "run", steps=2, threads=3)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    torch.set_num_threads(1)
    with pytest.warns(UserWarning, match="took 3 threads and goes on with 1"):
        assert fitted(tmp_path / "run", steps=4, resume=True).config["threads"] == 1


@pytest.mark.parametrize("name", ["OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME", "MKL_CBWR"])
def test_waiting_is_left_to_who_has_set_anything(name, monkeypatch):
    environment = {name: "1"}
    monkeypatch.setattr(os, "environ", environment)
    monkeypatch.delitem(sys.modules, "torch")
    waiting.wait_briefly()
    assert environment == {name: "1"}


def test_the_command_line_sets_waiting_before_pytorch_is_loaded_and_the_library_never():
    show = (
        "import os, sys; print(sorted(set(os.environ) & {'GOMP_SPINCOUNT', 'KMP_BLOCKTIME'}), 'torch' in sys.modules)"
    )
    through = "from pyro_bvae_cli import main; main(['recipes'], standalone_mode=False)"
    bare = {name: value for name, value in os.environ.items() if not name.startswith(waiting.PREFIXES)}
    ways = {"import pyro_bvae": [], through: sorted(waiting.BRIEFLY)}
    for way, names in ways.items():
        shown = subprocess.run([sys.executable, "-c", f"{way}; {show}"], capture_output=True, text=True, env=bare)
        assert shown.stdout.splitlines()[-1].startswith(str(names)), shown.stderr


def test_threads_that_no_system_gives_are_refused(cli: Cli, here: Path) -> None:
    result = cli("fit", "--threads", 100_000, "--steps", 1)
    assert (result.exit_code, "1<=x<=1024" in result.stderr) == (2, True)
    assert not any(here.iterdir())
