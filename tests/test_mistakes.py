"""A mistake at the command line ends in one plain line, and damages nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import Cli

from pyro_bvae import BetaVAE, load_run
from pyro_bvae.datasets import Dataset
from pyro_bvae.runs.run import Run


def test_overwrite_replaces_a_run_and_nothing_else_does(cli: Cli, here: Path) -> None:
    cli("fit", "--steps", 2, "--out", "a")
    refused = cli("fit", "--steps", 3, "--out", "a")
    assert (refused.exit_code, load_run("a").step) == (1, 2)
    assert "--resume it, --overwrite it" in refused.stderr
    bad = cli("fit", "--steps", 3, "--out", "a", "--overwrite", "--dataset", "npz:nowhere.npz")
    assert (bad.exit_code, load_run("a").step) == (1, 2)
    assert cli("fit", "--steps", 3, "--out", "a", "--overwrite").exit_code == 0
    assert load_run("a").step == 3


def usage(*arguments: object) -> tuple[int, list[object]]:
    return 2, list(arguments)


def failure(*arguments: object) -> tuple[int, list[object]]:
    return 1, list(arguments)


MISTAKES = {
    "no such command": (usage("fti"), "No such command 'fti'"),
    "no such option": (usage("fit", "--netwrk", "conv"), "No such option '--netwrk'"),
    "no such network": (usage("fit", "--network", "cnov"), "did you mean 'conv'?"),
    "no such likelihood": (usage("fit", "--likelihood", "bernouli"), "did you mean 'bernoulli'?"),
    "no such dataset": (usage("fit", "--dataset", "mnits"), "did you mean 'mnist'?"),
    "no such optimizer": (usage("fit", "--optimizer", "adm"), "did you mean 'adam'?"),
    "a file without its kind": (usage("fit", "--dataset", "a/b.npy"), "'a/b.npy' looks like a file: write npy:a/b.npy"),
    "no such coefficient": (usage("fit", "--objective", "tc:betta=6"), "the objective tc has no coefficient 'betta'"),
    "no such objective": (usage("fit", "--objective", "tv"), "did you mean 'tc'"),
    "negative beta": (usage("fit", "--beta", -1), "-1 is not at least 0 and at most 1e+30"),
    "beta nan": (usage("fit", "--beta", "nan"), "nan is not at least 0"),
    "no latents": (usage("fit", "--latent-dim", 0), "0 is not in the range 1<=x<=65536"),
    "scale nought": (usage("fit", "--likelihood", "gaussian", "--scale", 0), "0 is not at least 1e-12"),
    "scale of a bernoulli": (usage("fit", "--scale", 0.1), "the bernoulli likelihood has no scale"),
    "two betas": (usage("fit", "--beta", 1, "--beta-norm", 1), "give one"),
    "two lengths": (usage("fit", "--epochs", 1, "--steps", 1), "give one"),
    "widths": (usage("fit", "--hidden", "4,x"), "is not a list of whole numbers"),
    "schedule without a kind": (usage("fit", "--beta-schedule", "5000"), "unknown schedule '5000'"),
    "objective of digits": (usage("fit", "--objective", "5"), "unknown objective '5'"),
    "keep of dashes": (usage("fit", "--keep=--5"), "keep is a number of checkpoints or 'all', got '--5'"),
    "figures and none": (usage("fit", "--figures-every", 5, "--no-figures"), "leave --no-figures out"),
    "keep": (usage("fit", "--keep", "some"), "keep is a number of checkpoints or 'all', got 'some'"),
    "resume what": (usage("fit", "--resume"), "--resume --out DIR"),
    "resume nothing": (failure("fit", "--resume", "--out", "nowhere"), "is not a run: it has no config.json"),
    "resume and overwrite": (usage("fit", "--resume", "--overwrite", "--out", "a"), "choose one"),
    "conv of small images": (usage("fit", "--image-size", 8, "--network", "conv"), "sides of at least 16"),
    "missing file": (failure("fit", "--dataset", "npz:no.npz"), "no.npz: No such file or directory"),
    "missing folder": (failure("fit", "--dataset", "folder:no"), "is not a folder"),
    "empty folder": (failure("fit", "--dataset", "folder:empty"), "no image files under"),
    "one image": (failure("fit", "--dataset", "npy:one.npy"), "at least 2 images"),
    "nan pixels": (failure("fit", "--dataset", "npy:nan.npy"), "are NaN or infinite"),
    "out of range": (failure("fit", "--dataset", "npy:range.npy"), "float pixels must lie in [0, 1]"),
    "vectors as pixels": (
        failure("fit", "--dataset", "npy:vectors.npy"),
        "outside the support [0, 1] of the bernoulli likelihood",
    ),
    "damaged file": (failure("fit", "--dataset", "npz:junk"), "is damaged or no numpy file"),
    "config is junk": (failure("fit", "--config", "junk"), "junk is damaged or no JSON"),
    "config of another": (failure("fit", "--config", "other.json"), "is not the config.json of a run"),
    "run is missing": (usage("evaluate", "nowhere"), "Run 'nowhere' does not exist"),
    "run is no run": (failure("traverse", "empty"), "is not a run: it has no config.json"),
    "run without checkpoint": (failure("evaluate", "young"), "the run has no checkpoint yet"),
    "out under a file": (failure("fit", "--steps", 1, "--out", "junk/run"), "Not a directory"),
    "out is a file": (failure("fit", "--steps", 1, "--out", "junk"), "is a file, and a folder is wanted"),
    "out holds other files": (failure("fit", "--steps", 1, "--out", "."), "holds other files"),
    "out cannot be written": (failure("fit", "--steps", 1, "--out", "/proc/run"), "/proc/run: No such file"),
}


@pytest.mark.parametrize("case", list(MISTAKES))
def test_a_mistake_ends_in_one_plain_line(case: str, cli: Cli, digits_run: Run, here: Path) -> None:
    Path("empty").mkdir()
    Path("junk").write_text("junk")
    Path("other.json").write_text("{}")
    Path("young").mkdir()
    Path("young/config.json").write_text((digits_run.path / "config.json").read_text())
    for name, array in (
        ("one", [[[0.5]]]),
        ("nan", [[[np.nan]]] * 3),
        ("range", [[[2.0]]] * 3),
        ("vectors", [[3.0]] * 9),
    ):
        np.save(f"{name}.npy", np.array(array))
    before = {path: path.read_bytes() for path in here.rglob("*") if path.is_file()}
    (code, arguments), message = MISTAKES[case]
    result = cli(*arguments)
    assert result.exit_code == code, result.output
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert "Traceback" not in result.output
    assert {path: path.read_bytes() for path in here.rglob("*") if path.is_file()} == before


def test_a_missing_step_names_the_steps_there_are(cli: Cli, digits_run: Run) -> None:
    result = cli("traverse", digits_run.path, "--at", 7)
    assert result.exit_code == 1
    assert "no step 7; there are [13, 26]" in result.stderr


def test_a_run_with_classes_of_ones_own_names_them(cli: Cli, here: Path, images: Dataset) -> None:
    from pyro_bvae import fit

    class Mine(BetaVAE):
        pass

    fit(Mine((1, 16, 16), 2), images, steps=1, out="mine")
    for command in (["evaluate", "mine"], ["fit", "--resume", "--out", "mine"]):
        result = cli(*command)
        assert result.exit_code in (1, 2)
        assert "Mine" in result.stderr


def test_a_traceback_is_there_for_those_who_ask(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYRO_BVAE_TRACEBACK", "1")
    assert isinstance(cli("fit", "--dataset", "npz:no.npz").exception, FileNotFoundError)
