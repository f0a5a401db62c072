"""A search is repeatable, goes on where it stopped, and its front is the Pareto front."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from compared import row

from pyro_bvae import datasets, plots
from pyro_bvae.comparison import Choice, RunRow, Search, Trial, aims_of, check_search, metrics_of, search_all
from pyro_bvae.comparison.overviews import column_figures
from pyro_bvae.datasets import Dataset
from pyro_bvae.settings.options import DEFAULTS
from pyro_bvae.settings.searched import searched
from pyro_bvae.sweeps import Here

pytest.importorskip("optuna", reason="there is no optuna: pip install 'pyro-bvae[search]'")

SPANS = searched("beta=1..32 log, latent-dim=4..16, likelihood=gaussian|laplace")
SMALL = {**DEFAULTS, "hidden": (4,), "image_size": 8, "steps": 2, "compile": False, "figures": False}
SMALL.pop("seed")  # each trial has its own


def a_search(out: Path, maximise: str = "elbo", minimise: str = "rate", seeds: tuple[int, ...] = (0,)) -> Search:
    out.mkdir(exist_ok=True)
    return Search(out, SPANS, aims_of(maximise.split(), minimise.split()), seeds)


def made_up(choice: Choice) -> RunRow | Exception:
    """What a fit might give: a rate that falls with β, and a diverging one where it is large."""
    beta, latents = choice.settings["beta"], choice.settings["latent_dim"]
    if beta > 25:
        return FloatingPointError("the loss is nan")
    return row(choice.label, elbo=-((beta - 4) ** 2) - latents, rate=20 / beta + latents / 10)


def carried_out(search: Search, trials: int, stop: int = -1, give: Callable[..., Any] = made_up) -> list[Trial]:
    """The trials of a search that is fitted by ``give``, and that is stopped while it fits the number ``stop``."""
    for choice in search.choices({}, trials):
        if choice.label == f"trial {stop}":
            break
        search.note(choice, give(choice))
    return search.trials()


def test_a_search_is_repeatable_and_goes_on_as_if_it_had_never_stopped(tmp_path: Path) -> None:
    whole = carried_out(a_search(tmp_path / "whole"), 24)
    assert {trial.failed for trial in whole} == {"", "the loss is nan"}
    folder = tmp_path / "stopped"
    for stop in (3, 11):
        carried_out(a_search(folder), 24, stop)
        with open(folder / "search.log", "a") as journal:
            journal.write('{"op_code":')  # a kill leaves its lock, and a line without an end
        (folder / "search.log.lock").touch()
    assert carried_out(a_search(folder), 20) == whole[:20]
    assert carried_out(a_search(folder), 24) == whole
    assert carried_out(a_search(folder), 5) == whole
    assert carried_out(a_search(tmp_path / "other", seeds=(1,)), 3)[0] != whole[0]


def test_trials_that_are_done_are_yielded_again_and_failed_ones_are_not(tmp_path: Path) -> None:
    done = carried_out(a_search(tmp_path), 12)
    again = [choice.label for choice in a_search(tmp_path).choices({}, 12)]
    assert again == [f"trial {trial.number}" for trial in done if not trial.failed]


def test_folders_and_settings_are_readable(tmp_path: Path) -> None:
    first, second, *_ = a_search(tmp_path, seeds=(3, 5)).choices({"lr": 1e-3}, 2)
    assert (first.folder, second.folder) == (tmp_path / "trial-0000-seed3", tmp_path / "trial-0000-seed5")
    assert first.settings == second.settings | {"seed": 3}
    assert {"lr": 1e-3} | first.settings == first.settings
    assert len(str(first.settings["beta"])) <= 5


def test_a_trial_is_the_mean_over_its_seeds(tmp_path: Path) -> None:
    search = a_search(tmp_path, seeds=(0, 2))
    give = lambda choice: row(choice.label, elbo=choice.settings["seed"] - 5.0, rate=1.0)  # noqa: E731
    trials = carried_out(search, 3, give=give)
    assert [trial.values for trial in trials] == [{"elbo": -4.0, "rate": 1.0}] * 3


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (row("a", elbo=float("nan")), "its elbo is not a number"),
        (row("a", rate=None), "its rate is not defined"),
        (ValueError("no"), "no"),
        (RuntimeError(), "RuntimeError"),
    ],
)
def test_a_trial_that_fails_is_left_out_and_the_search_goes_on(outcome: Any, reason: str, tmp_path: Path) -> None:
    search = a_search(tmp_path, seeds=(0, 1))
    labels = []
    for choice in search.choices({}, 3):
        labels.append(choice.label)
        search.note(choice, outcome if choice.label == "trial 1" else made_up(choice))
    assert labels.count("trial 1") == 1  # its second seed is of no use any more
    assert [trial.failed for trial in search.trials()] == ["", reason, ""]
    assert {trial.number for trial in search.front()} <= {0, 2}


def test_a_trial_that_the_machine_ended_goes_on_under_its_number(tmp_path: Path) -> None:
    search = a_search(tmp_path)
    lost = lambda choice: OSError("no space") if choice.label == "trial 2" else made_up(choice)  # noqa: E731
    before = carried_out(search, 4, give=lost)
    assert (before[2].values, before[2].failed) == (None, "")
    after = carried_out(a_search(tmp_path), 4)
    assert after[2].settings == before[2].settings
    assert after[2].values is not None
    assert after[3] == before[3]


@pytest.mark.parametrize(("maximise", "minimise"), [("elbo", "rate"), ("elbo mse", "rate"), ("", "rate mse ssim")])
def test_the_front_is_that_of_brute_force(maximise: str, minimise: str, tmp_path: Path) -> None:
    draw = random.Random(0)
    columns = [*maximise.split(), *minimise.split()]
    give = lambda _: row("a", **{column: float(draw.randint(0, 9)) for column in columns})  # noqa: E731
    search = a_search(tmp_path, maximise, minimise)
    trials = carried_out(search, 30, give=give)
    senses = np.array([-1 if column in maximise.split() else 1 for column in columns])
    losses = np.array([[(trial.values or {})[column] for column in columns] for trial in trials]) * senses
    beaten = [any((other <= loss).all() and (other < loss).any() for other in losses) for loss in losses]
    assert {trial.number for trial in search.front()} == {*np.flatnonzero(~np.array(beaten))}
    first = [(trial.values or {})[columns[0]] * senses[0] for trial in search.front()]
    assert first == sorted(first)


def test_the_best_trial_of_one_aim(tmp_path: Path) -> None:
    search = a_search(tmp_path, minimise="")
    assert search.front() == []
    trials = carried_out(search, 8)
    best = max((trial for trial in trials if trial.values), key=lambda trial: trial.values["elbo"])
    assert search.front() == [best]


def test_importances_are_shares_and_name_the_setting_that_matters(tmp_path: Path) -> None:
    search = a_search(tmp_path)
    assert search.importances() == {}
    carried_out(search, 25)
    shares = search.importances()
    assert shares.keys() == {"elbo", "rate"}
    assert [sum(of_aim.values()) for of_aim in shares.values()] == pytest.approx([1, 1])
    assert max(shares["elbo"], key=lambda name: shares["elbo"][name]) == "beta"
    assert shares == a_search(tmp_path).importances()
    constant = lambda choice: row("a", elbo=1.0, rate=choice.settings["beta"])  # noqa: E731
    other = a_search(tmp_path / "constant")
    carried_out(other, 6, give=constant)
    assert other.importances().keys() == {"rate"}


@pytest.mark.parametrize("change", [{"maximise": "mse"}, {"minimise": "rate mse"}, {"seeds": (0, 1)}])
def test_another_search_is_refused(change: dict[str, Any], tmp_path: Path) -> None:
    a_search(tmp_path)
    with pytest.raises(FileExistsError, match="holds another search \\(maximise elbo, minimise rate over beta=1..32"):
        a_search(tmp_path, **change)
    a_search(tmp_path)


@pytest.mark.parametrize("text", ["x\n", "{}\n", "[]\n", '{"op_code": 99}\n', "\x00\n"])
def test_a_damaged_journal_is_refused_in_a_line(text: str, tmp_path: Path) -> None:
    carried_out(a_search(tmp_path), 2)
    journal = tmp_path / "search.log"
    journal.write_text(text + journal.read_text())
    with pytest.raises(ValueError, match="search.log is damaged: name another `out`"):
        a_search(tmp_path)


@pytest.mark.parametrize(
    ("maximise", "minimise", "said"),
    [
        ([], [], "name a column to `maximise` or to `minimise`"),
        (["elbow"], [], "unknown column 'elbow': did you mean 'elbo'?"),
        (["mig", "mig"], [], "given mig twice"),
        (["bits_per_dim"], ["bits-per-dim"], "given bits_per_dim twice"),
        (["udr"], [], "unknown column 'udr'"),
        (["label"], [], "unknown column 'label'"),
    ],
)
def test_aims_are_columns_each_once(maximise: list[str], minimise: list[str], said: str) -> None:
    with pytest.raises(ValueError, match=said.replace("?", "\\?")):
        aims_of(maximise, minimise)


def test_the_metrics_of_aims_are_taken() -> None:
    assert metrics_of(aims_of(["dci-completeness"], ["rate", "active_units"]), ["mig", "dci"]) == ("mig", "dci")
    assert metrics_of(aims_of(["active-units", "sap"], [])) == ("sap", "active-units")


def test_what_the_data_cannot_give_is_said_before_the_first_trial(digits: Dataset, vectors: Dataset) -> None:
    data = datasets.load("digits", image_size=8)

    def refusal(column: str, text: str = "beta=1..2", data: Dataset = data, particles: int = 0, **fixed: Any) -> str:
        with pytest.raises(ValueError) as raised:  # noqa: PT011
            check_search(searched(text), aims_of([column], []), {**SMALL, **fixed}, data, particles)
        return str(raised.value)

    assert "mig needs data with ground-truth factors" in refusal("mig")
    assert "iw_bound needs `particles`" in refusal("iw_bound")
    assert "there is no ssim of vectors" in refusal("ssim", data=vectors, likelihood="gaussian", mean_link="identity")
    assert "outside the support [0, 1]" in refusal("elbo", data=vectors)
    assert "probe_accuracy needs data with labels" in refusal(
        "probe_accuracy", data=vectors, likelihood="gaussian", mean_link="identity"
    )
    assert "total-correlation needs two" not in refusal("mse", "hidden=4|8", latent_dim=0)
    both = "likelihood=gaussian|laplace|discretized-logistic"
    assert "does not compare between a density (gaussian) and a mass of 256 levels" in refusal("elbo", both)
    assert "ignores the β of the programs, here 2" in refusal("elbo", objective="tc")
    assert "leave beta_schedule out" in refusal("elbo", match_rate=5.0, beta_schedule="linear:5")
    assert "which is no result" in refusal("beta", "latent-dim=2..4", objective="tc")
    check_search(searched(both), aims_of(["bits_per_dim"], ["rate"]), SMALL, data, 0)
    check_search(searched("beta=1..2"), aims_of(["iw_bound", "probe-accuracy"], []), SMALL, data, 3)


def test_three_trials_of_two_steps(tmp_path: Path) -> None:
    fixed = {**SMALL, "dataset": "digits"}
    spans = searched("beta=1..32 log, hidden=4|8,4")
    search = Search(tmp_path, spans, aims_of(["elbo"], ["rate"]), [0])
    results = [*search_all(search, fixed, 2, 0, Here(1))]
    assert [(choice.folder.name, row.elbo) for choice, row in results] == [
        (f"trial-000{trial.number}-seed0", trial.values["elbo"]) for trial in search.trials()
    ]
    config = json.loads((tmp_path / "trial-0001-seed0" / "config.json").read_text())
    assert config["beta"] == search.trials()[1].settings["beta"]
    written = (tmp_path / "trial-0001-seed0" / "checkpoint.pt").stat().st_mtime_ns
    more = [*search_all(Search(tmp_path, spans, search.aims, [0]), fixed, 3, 0, Here(1))]
    assert [row.elbo for _, row in more[:2]] == [row.elbo for _, row in results]
    assert (len(more), (tmp_path / "trial-0001-seed0" / "checkpoint.pt").stat().st_mtime_ns) == (3, written)


@pytest.mark.parametrize("aims", [1, 5])
def test_the_figures_of_a_search_are_drawn(aims: int, tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    table = {f"aim {number}": [float("nan"), *draw.normal(size=12)] for number in range(aims)}
    plots.save_figure(plots.pareto(table, [3, 5, 7], ["aim 0"]), tmp_path / "pareto.png")
    shares = {name: {f"setting {number}": 1 / 30 for number in range(30)} for name in table}
    plots.save_figure(plots.importances(shares), tmp_path / "importances.png")
    assert {path.name for path in tmp_path.iterdir()} == {"pareto.png", "importances.png"}


def test_two_processes_that_search_in_one_folder_share_its_trials(tmp_path: Path) -> None:
    searches = [a_search(tmp_path), a_search(tmp_path)]
    for both in zip_longest(*(search.choices({}, 12) for search in searches)):
        for search, choice in zip(searches, both, strict=True):
            if choice is not None:
                search.note(choice, made_up(choice))
    assert [trial.number for trial in searches[0].trials()] == [*range(12)]
    assert searches[0].trials() == searches[1].trials()
    assert all(trial.values or trial.failed for trial in searches[0].trials())


def test_settings_that_come_again_are_not_fitted_again(tmp_path: Path) -> None:
    spans, aims = searched("latent-dim=2..3, beta=1|30"), aims_of(["elbo"], ["rate"])
    search = Search(tmp_path, spans, aims, [0, 1])
    fitted = []
    for choice in search.choices({}, 12):
        fitted.append(choice.label)
        search.note(choice, made_up(choice))
    trials = search.trials()
    assert len(trials) == 12
    assert len({*fitted}) == len({str(trial.settings) for trial in trials}) <= 4
    for trial in trials:
        assert (trial.twin is None) == (f"trial {trial.number}" in fitted)
        first = trials[trial.number if trial.twin is None else trial.twin]
        assert (first.settings, first.values, first.failed) == (trial.settings, trial.values, trial.failed)
    assert all(trial.twin is None for trial in search.front())
    assert {choice.label for choice in Search(tmp_path, spans, aims, [0, 1]).choices({}, 12)} == {
        f"trial {trial.number}" for trial in trials if trial.twin is None and trial.values
    }


@pytest.mark.parametrize("minimise", ["", "rate"])
def test_a_search_keeps_away_from_settings_that_diverge(minimise: str, tmp_path: Path) -> None:
    def give(choice: Choice) -> RunRow | Exception:
        lr = choice.settings["lr"]  # the best lie beside those that diverge
        return row("a", elbo=lr, rate=1 / lr) if lr < 1e-3 else FloatingPointError("the loss is nan")

    search = Search(tmp_path, searched("lr=1e-5..0.1 log"), aims_of(["elbo"], minimise.split()), [0])
    trials = carried_out(search, 30, give=give)
    assert sum(bool(trial.failed) for trial in trials) <= 15
    assert all(trial.values for trial in search.front())


def test_a_search_of_which_nothing_goes_well_ends(tmp_path: Path) -> None:
    search = a_search(tmp_path)
    trials = carried_out(search, 15, give=lambda _: FloatingPointError("the loss is nan"))
    assert {trial.failed for trial in trials} == {"the loss is nan"}
    assert (search.front(), search.importances(), search.figures()) == ([], {}, {})


def test_no_map_is_drawn_of_settings_that_a_search_has_scattered() -> None:
    scattered = [
        row(f"trial {n}", varied={"beta": 1.0 + n, "latent_dim": n % 7, "lr": 1.0 / (n + 1)}) for n in range(12)
    ]
    assert column_figures(scattered) == {}
    of_one = [row(f"trial {n}", varied={"beta": 1.0 + n}) for n in range(12)]
    assert column_figures(of_one).keys() == {"column_elbo"}
    grid = [row(f"{beta} {k}", varied={"beta": beta, "latent_dim": k}) for beta in (1.0, 4.0) for k in (2, 5)]
    assert column_figures(grid).keys() == {"column_elbo"}
