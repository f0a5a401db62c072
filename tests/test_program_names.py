"""The programs that have names: what follows from their data, and what the command line does with them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import Cli
from test_programs import MADE, SHAPE, some_data

from pyro_bvae import BetaVAE, fit, load_run
from pyro_bvae.datasets import Dataset
from pyro_bvae.programs import PROGRAMS, SemiSupervised, chosen, program_of


@pytest.fixture
def data() -> Dataset:
    return some_data()


OF_DATA = {"semi-supervised": "semi-supervised:classes=3,share=0.555556", "joint": "joint",
           "hierarchical": "hierarchical", "conditional": "conditional:classes=3,width=2"}  # fmt: skip


@pytest.mark.parametrize(("name", "text"), OF_DATA.items())
def test_what_follows_from_the_data_is_filled_in(name: str, text: str, data: Dataset) -> None:
    vae = chosen(name).build(SHAPE, data, {"beta": 1.0})
    assert (vae.program.text, str(vae.program)) == (name, text)
    again = chosen(text).build(SHAPE, None, {"beta": 1.0})
    assert again.state_dict().keys() == vae.state_dict().keys()


def test_a_config_that_is_repeated_on_other_labels_takes_their_share(here: Path, cli: Cli) -> None:
    words = ("--hidden", 8, "--latent-dim", 2, "--steps", 2)
    assert cli("fit", "--program", "semi-supervised:alpha=1", *words, "--labelled", 100, "--out", "one").exit_code == 0
    assert cli("fit", "--config", "one/config.json", "--labelled", 200, "--out", "two").exit_code == 0
    one, two = (load_run(path).model for path in ("one", "two"))
    assert two.share == pytest.approx(2 * one.share, rel=1e-4)
    assert (one.alpha, two.alpha) == (1, 1)


def test_a_program_made_in_python_is_known_by_its_name() -> None:
    program = program_of(MADE["joint, y weighed by itself"]())
    assert program is not None
    assert program.text == "joint:classes=3,gamma=0.5"
    assert program_of(MADE["joint"](decoder=torch.nn.Linear(5, 4))) is None
    assert program_of(BetaVAE((4,))) is None


@pytest.mark.parametrize("options", [{"classes": 0}, {"classes": 3, "alpha": -1.0}])
def test_options_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be a positive number"):
        SemiSupervised(SHAPE, **options)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_is_fitted_by_its_name_and_loads_by_itself(name: str, here: Path, cli: Cli) -> None:
    words = ("fit", "--program", name, "--hidden", 8, "--latent-dim", 2, "--subsample", 60, "--steps", 2)
    result = cli(*words, "--out", "runs/one")
    assert result.exit_code == 0, result.output
    assert name in result.output
    assert cli("fit", "--resume", "--out", "runs/one", "--steps", 4).exit_code == 0
    again = cli("fit", "--config", "runs/one/config.json", "--out", "runs/two")
    assert again.exit_code == 0, again.output
    assert load_run("runs/two").step == 4


def test_programs_are_compared_and_searched_over(here: Path, cli: Cli) -> None:
    words = ("--hidden", 8, "--latent-dim", 2, "--labelled", 30, "--steps", 2, "--particles", 2)
    result = cli("compare", "--program", "semi-supervised", "--program", "conditional", *words, "--out", "both")
    assert result.exit_code == 0, result.output
    table = (Path("both") / "comparison.csv").read_text()
    assert all(name in table for name in ("semi-supervised", "conditional"))
    pytest.importorskip("optuna")
    search = ("--search", "program=joint|hierarchical", "--trials", 2, "--maximise", "elbo", *words[:4], "--steps", 2)
    result = cli("compare", *search, "--out", "searched")
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("name", ["semi-supervised", "conditional"])
def test_labels_beyond_the_classes_of_programs_are_refused(name: str, data: Dataset) -> None:
    more = replace(data, labels=torch.arange(60) % 5, extra={})
    with pytest.raises(ValueError, match="mine has labels up to 4, and the programs have 3 `classes`: make it 5"):
        fit(MADE[name](), more, steps=1)


def test_data_whose_labels_are_all_missing_have_no_classes(data: Dataset) -> None:
    bare = replace(data, labels=torch.full((60,), -1), extra={})
    assert chosen("semi-supervised").build(SHAPE, bare, {"beta": 1.0}).classes == 10
    with pytest.raises(ValueError, match="wants data with labels"):
        chosen("conditional").build(SHAPE, bare, {"beta": 1.0})
