"""Every objective goes through `fit`: it resumes, compiles, compares, and is what its specification says."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import Cli, ReplayOnTheCpu, new_vae, same_parameters, with_factors, without_timings
from torch import nn

from pyro_bvae import BetaVAE, Callback, fit, load_run
from pyro_bvae.compiled import inductor
from pyro_bvae.datasets import Dataset
from pyro_bvae.objectives import OBJECTIVES, Capacity, Controlled, Regularised, Sizes, build_objective
from pyro_bvae.runs.config import SettingsError
from pyro_bvae.runs.folder import RunFolder
from pyro_bvae.schedules import SCHEDULES, Cyclic, LinearWarmup
from pyro_bvae.settings.parsing import USUAL, scheduled, specified
from pyro_bvae.training import loop
from pyro_bvae.training.state import Training

# three batches an epoch, all of one shape: recording another shape takes as long as all the rest of a fit
OPTIONS: dict[str, Any] = {"batch_size": 18, "eval_every": 4, "lr": 1e-4, "optimizer": "adam"}
WITH_A_SHORT_BATCH = OPTIONS | {"batch_size": 16}
SMALL = {"factor": "factor:gamma=5,width=8,layers=2", "controlled": "controlled:target=5,gain=0.1"}
TEXTS = [SMALL.get(name, name) for name in OBJECTIVES] + [
    "capacity:capacity=linear:9:6,of=image",
    "beta:beta=2,free_bits=0.1",
]
NEUTRAL = {
    "beta": "beta:free_bits=0",
    "tc": "tc:beta=1",
    "dip-i": "dip-i:off_diagonal=0,diagonal=0",
    "dip-ii": "dip-ii:off_diagonal=0,diagonal=0",
    "controlled": "controlled:target=5,gain=0",
    "capacity": "capacity:gamma=1,capacity=0",
    "qlae": "qlae:beta=1,commitment=0,quantised=0",
}
pytestmark = pytest.mark.usefixtures("instant_compiler")


@pytest.fixture
def images(images: Dataset) -> Dataset:
    """Data that pairs can be made of."""
    return with_factors(images)


def vae_at_one(seed: int = 0) -> BetaVAE:
    vae = new_vae(seed=seed)
    vae.beta = 1.0
    return vae


class Keep(Callback):
    """Keep the objective, and what it was at each line."""

    def on_start(self, run: Any, training: Training) -> None:  # noqa: ARG002
        self.objective = training.objective


def state_of(objective: Regularised | None) -> Any:
    assert objective is not None
    return copy.deepcopy(objective.state_dict())


def same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return bool(one == other)


@pytest.mark.parametrize("compile_it", [False, True], ids=["eager", "recorded"])
@pytest.mark.parametrize("text", TEXTS)
def test_a_resumed_run_is_the_uninterrupted_one_to_the_last_bit(
    text: str, compile_it: bool, images: Dataset, tmp_path: Path
) -> None:
    options = OPTIONS | {"objective": text, "compile": compile_it}
    seen = Keep(), Keep()
    whole = fit(vae_at_one(), images, steps=9, callbacks=[seen[0]], **options)
    fit(vae_at_one(), images, steps=5, out=tmp_path, **options)
    torch.rand(7)
    parts = fit(vae_at_one(9), images, steps=9, out=tmp_path, resume=True, callbacks=[seen[1]], **options)
    assert same_parameters(whole.model, parts.model)
    assert without_timings(whole.history) == without_timings(parts.history)
    if text != "beta":
        one, other = (state_of(keep.objective) for keep in seen)
        assert same(one, other)
        assert same(one, RunFolder(tmp_path).load()["objective"])


@pytest.mark.parametrize("text", TEXTS)
def test_recorded_steps_are_the_eager_ones(text: str, images: Dataset) -> None:
    seen = Keep(), Keep()
    options = WITH_A_SHORT_BATCH | {"objective": text, "steps": 7}
    eager = fit(vae_at_one(), images, compile=False, callbacks=[seen[0]], **options)
    fast = fit(vae_at_one(), images, compile=True, callbacks=[seen[1]], **options)
    for one, other in zip(eager.model.parameters(), fast.model.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)
    for one, other in zip(*(nn.Module.parameters(keep.objective or nn.Module()) for keep in seen), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("text", TEXTS)
def test_compiled_steps_are_the_eager_ones(text: str, images: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "inductor", inductor)
    test_recorded_steps_are_the_eager_ones(text, images)


@pytest.mark.parametrize("text", TEXTS)
def test_the_replayed_loop_learns_and_follows_schedules_too(text: str, images: Dataset) -> None:
    options = OPTIONS | {"steps": 7, "objective": text, "compile": True}
    plain, kept = fit(vae_at_one(), images, **options), Keep()
    replayed = fit(vae_at_one(), images, callbacks=[ReplayOnTheCpu(), kept], **options)
    assert same_parameters(plain.model, replayed.model)
    for one, other in zip(plain.history, replayed.history, strict=True):
        assert one.get("coefficients") == other.get("coefficients")


@pytest.mark.parametrize("text", NEUTRAL.values(), ids=list(NEUTRAL))
def test_neutral_objectives_fit_what_the_elbo_fits(text: str, images: Dataset) -> None:
    plain = fit(vae_at_one(), images, steps=5, compile=False, **OPTIONS)
    neutral = fit(vae_at_one(), images, steps=5, compile=False, objective=text, **OPTIONS)
    for one, other in zip(plain.model.parameters(), neutral.model.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=2e-5)


def test_a_beta_of_the_objective_is_the_one_of_the_programs(images: Dataset) -> None:
    theirs = fit(new_vae(), images, steps=5, compile=False, **OPTIONS)
    own = fit(vae_at_one(), images, steps=5, compile=False, objective="beta:beta=4", **OPTIONS)
    for one, other in zip(theirs.model.parameters(), own.model.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=2e-5)


def test_a_scheduled_capacity_is_where_its_schedule_says(images: Dataset) -> None:
    run = fit(vae_at_one(), images, steps=8, objective="capacity:capacity=linear:12:6", **OPTIONS)
    said = [line["coefficients"]["capacity"] for line in run.history]
    assert said == [LinearWarmup(12.0, 6)(step - 1) for step in (4, 8)]


def test_beta_follows_its_schedule_and_the_run_says_where_it_ends(images: Dataset, tmp_path: Path) -> None:
    options = OPTIONS | {"beta_schedule": "cyclic:6", "eval_every": 1}
    run = fit(new_vae(), images, steps=8, out=tmp_path, **options)
    assert run.config["beta"] == 4.0
    assert [line["beta"] for line in run.history] == pytest.approx([Cyclic(4.0, 6)(step) for step in range(8)])
    longer = fit(new_vae(), images, steps=11, out=tmp_path, resume=True, **options)
    assert same_parameters(longer.model, fit(new_vae(), images, steps=11, **options).model)
    same = fit(longer.model, images, steps=13, out=tmp_path, resume=True, **options)  # its β is that of the moment
    assert same_parameters(same.model, fit(new_vae(), images, steps=13, **options).model)
    with pytest.raises(SettingsError, match="beta_schedule is 'cyclic:6' in the run and None here"):
        fit(new_vae(), images, steps=14, out=tmp_path, resume=True, **OPTIONS | {"eval_every": 1})


def test_a_controlled_rate_comes_to_its_target(digits: Dataset) -> None:
    vae = BetaVAE(digits.shape, 4, hidden=(50,))
    run = fit(vae, digits, epochs=25, objective="controlled:target=6,gain=0.05", lr=2e-3)
    assert run.history[-1]["rate"] == pytest.approx(6.0, rel=0.1)
    assert run.history[-1]["coefficients"]["beta"] != 1.0


def test_a_run_cannot_change_its_objective(images: Dataset, tmp_path: Path) -> None:
    fit(vae_at_one(), images, steps=3, objective="tc", out=tmp_path)
    assert load_run(tmp_path).config["objective"] == "tc:beta=6"
    fit(vae_at_one(), images, steps=4, objective="tc:beta=6.0", out=tmp_path, resume=True)
    with pytest.raises(SettingsError, match="objective is 'tc:beta=6' in the run and 'tc:beta=5' here"):
        fit(vae_at_one(), images, steps=5, objective="tc:beta=5", out=tmp_path, resume=True)


def test_what_does_not_go_together_is_refused(images: Dataset) -> None:
    with pytest.raises(ValueError, match="ignores the β of the programs, here 4"):
        fit(new_vae(), images, steps=1, objective="tc")
    for moved in ({"match_rate": 5.0}, {"beta_schedule": "linear:5"}):
        with pytest.raises(ValueError, match="ignores the β of the programs: leave it at 1"):
            fit(vae_at_one(), images, steps=1, objective="tc", **moved)
        with pytest.raises(ValueError, match="ignores the β of the programs: leave it at 1"):
            fit(vae_at_one(), images, steps=1, objective="beta:beta=4", **moved)
    with pytest.raises(ValueError, match="match_rate moves β by itself: leave beta_schedule out"):
        fit(vae_at_one(), images, steps=1, beta_schedule="linear:5", match_rate=5.0)
    with pytest.raises(ValueError, match="β must be at least 0, also at the start of linear:5:-1"):
        fit(vae_at_one(), images, steps=1, beta_schedule="linear:5:-1")
    with pytest.raises(ValueError, match="give an objective or an elbo, not both"):
        fit(vae_at_one(), images, steps=1, objective="tc", elbo=Capacity())


def test_an_objective_of_ones_own_is_part_of_the_checkpoint(images: Dataset, tmp_path: Path) -> None:
    def controlled() -> Controlled:
        return Controlled(5.0, gain=0.1)

    whole, parts = controlled(), controlled()
    fit(vae_at_one(), images, steps=9, elbo=whole, **OPTIONS)
    fit(vae_at_one(), images, steps=5, elbo=controlled(), out=tmp_path, **OPTIONS)
    run = fit(vae_at_one(), images, steps=9, elbo=parts, out=tmp_path, resume=True, **OPTIONS)
    assert whole.coefficients == parts.coefficients != controlled().coefficients
    assert run.config["objective"] is None
    fit(vae_at_one(), images, steps=10, elbo=parts, out=tmp_path, resume=True, **OPTIONS)
    with pytest.raises(SettingsError, match=r"elbo is 'Controlled\(beta=1.0, .*target=5.0.* and .*target=6.0"):
        fit(vae_at_one(), images, steps=11, elbo=Controlled(6.0, gain=0.1), out=tmp_path, resume=True, **OPTIONS)
    with pytest.raises(SettingsError, match="elbo is 'Controlled"):
        fit(vae_at_one(), images, steps=9, out=tmp_path, resume=True, **OPTIONS)


@pytest.mark.parametrize("name", list(OBJECTIVES))
def test_one_objective_has_one_text(name: str) -> None:
    wanted = specified(SMALL.get(name, name))
    assert specified(wanted.text) == wanted
    assert set(USUAL) == set(OBJECTIVES)
    built = build_objective(wanted, Sizes(size=100, latent_dim=3, data_dim=16))
    for coefficient, value in built.coefficients.items():
        first = {name: schedule(0) for name, schedule in wanted.schedules.items()}
        assert value == pytest.approx((wanted.options | first).get(coefficient, value))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tcc", "unknown objective 'tcc': did you mean 'tc'"),
        ("tc:beta", "'beta' in the objective 'tc:beta' is not of the form COEFFICIENT=VALUE"),
        ("tc:betta=3", "the objective tc has no coefficient 'betta'; it has beta, alpha, gamma, estimator"),
        ("tc:size=3", "the objective tc has no coefficient 'size'"),
        ("tc:beta=much", "beta of the objective tc is a number, got 'much'"),
        ("tc:estimator=3", "estimator of the objective tc is a word, got 3"),
        ("tc:estimator=none", "unknown estimator 'none'"),
        ("tc:beta=3,beta=4", "beta is given twice"),
        ("factor:width=0", "width of the objective factor is a number of at least 1, got 0"),
        ("factor:layers=2.5", "layers of the objective factor is a number of at least 1, got 2.5"),
        ("dip-i:diagonal=-1", "diagonal of the objective dip-i must be finite and at least 0, got -1"),
        ("beta:free_bits=linear:1:5", "free_bits of the objective beta cannot have a schedule"),
        ("ada:differing=linear:5:10", "differing of the objective ada cannot have a schedule"),
        ("capacity:capacity=linear", "'linear' is not a schedule of the form linear:VALUE:STEPS"),
        ("capacity:capacity=liner:25:100", "unknown schedule 'liner': did you mean 'linear'"),
        ("capacity:gamma=inf", "gamma of the objective capacity must be finite"),
        ("controlled", "the objective controlled wants target, like controlled:target=20"),
    ],
)
def test_a_wrong_objective_is_answered_with_what_would_be_right(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_objective(specified(text), Sizes(size=100, latent_dim=3, data_dim=16))


@pytest.mark.parametrize("kind", list(SCHEDULES))
def test_schedules_are_read_with_and_without_their_value(kind: str) -> None:
    steps = "" if kind == "constant" else ":40"
    one, other = scheduled(f"{kind}:3{steps}"), scheduled(f"{kind}{steps}", value=3.0)
    assert one == other
    assert one(39) == pytest.approx(3.0, abs=0.1)
    for wrong in ("ramp:3", f"{kind}:3:x", f"{kind}:nan:4", f"{kind}:3:-4", f"{kind}:3:1.5", f"{kind}:1:2:3:4:5"):
        with pytest.raises(ValueError, match="schedule"):
            scheduled(wrong)


def test_the_command_line_fits_resumes_looks_at_and_compares_objectives(cli: Cli, here: Path) -> None:
    short = ("--steps", 4, "--hidden", "16", "--latent-dim", 3)
    result = cli("fit", "--objective", "tc:beta=3", *short)
    assert "objective tc:beta=3," in result.stdout
    run = Path("runs/digits-tc-beta3-seed0")
    assert cli("fit", "--resume", "--out", run, "--steps", 6).exit_code == 0
    assert load_run(run).config["objective"] == "tc:beta=3"
    for words in (("traverse", run), ("evaluate", run), ("score", run, "--metric", "active-units", "--repeats", 1)):
        assert cli(*words).exit_code == 0
    specifications = ("beta", "factor:width=8,layers=1", "controlled:target=3")
    words = [word for text in specifications for word in ("--objective", text)]
    result = cli("compare", *words, *short, "--json", "--out", "both")
    assert [line["label"] for line in json.loads(result.stdout)["summary"]] == list(specifications)
    assert Path("both/factor-width8-layers1-seed0/checkpoint.pt").is_file()


def test_a_wrong_coefficient_ends_a_comparison_before_it_begins(cli: Cli, here: Path) -> None:
    result = cli("compare", "--objective", "beta", "--objective", "tc:betta=3", "--steps", 2)
    assert (result.exit_code, list(here.glob("runs/*/*seed*"))) == (2, [])
    assert "no coefficient 'betta'" in result.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--objective", "tcc"), "unknown objective 'tcc'"),
        (("--objective", "tc:betta=3"), "no coefficient 'betta'"),
        (("--objective", "tc", "--beta", "4"), "ignores the β of the programs"),
        (("--beta", 4, "--beta-schedule", "ramp:9"), "unknown schedule 'ramp'"),
        (("--beta-schedule", "linear"), "is not a schedule of the form linear:STEPS"),
    ],
)
def test_mistakes_end_in_one_line(words: tuple[Any, ...], message: str, cli: Cli, here: Path) -> None:
    result = cli("fit", *words, "--steps", 2)
    assert result.exit_code != 0
    assert message in result.stderr
