"""Fits made to fail are told why, and healthy ones are left alone."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from math import log
from pathlib import Path
from typing import Any

import pyro.distributions as dist
import pytest
import torch
from conftest import Cli

from pyro_bvae import BetaVAE, Run, datasets, fit
from pyro_bvae.datasets import Dataset
from pyro_bvae.evaluation import Diagnosis, diagnose, largest_paying_beta, still_falling
from pyro_bvae.likelihoods import LIKELIHOODS, Standardised, build
from pyro_bvae.objectives import TotalCorrelation


@pytest.fixture(scope="module")
def small() -> Dataset:
    """The digits in their own size, 8×8."""
    return datasets.load("digits", image_size=8)


def line_of_data() -> Dataset:
    """Vectors along a line, all of them in both splits; the largest eigenvalue of their covariance is about 3."""
    everything = torch.arange(500)
    x = torch.randn(500, 1) * torch.ones(3) + 0.1 * torch.randn(500, 3)
    return Dataset("line", x, train=everything, held_out=everything)


def fitted(data: Dataset, *, hidden: tuple[int, ...] = (64,), latent_dim: int = 10, **options: Any) -> Run:
    training = {"steps": 100, "batch_size": 128, "optimizer": "rmsprop", "compile": False}
    training |= {name: options.pop(name) for name in ("eval_every", "lr", "match_rate", "elbo") if name in options}
    training |= {name: options.pop(name) for name in training.keys() & options.keys()}
    torch.manual_seed(0)
    return fit(BetaVAE(data.shape, latent_dim, hidden=hidden, **options), data, **training)


def largest_eigenvalue(data: Dataset) -> float:
    return torch.linalg.eigvalsh(torch.cov(data.images.T, correction=0))[-1].item()


def test_the_largest_paying_beta_of_a_gaussian_is_an_eigenvalue_over_its_variance() -> None:
    data = line_of_data()
    run = fitted(data, hidden=(), latent_dim=1, likelihood="gaussian", scale=0.5, steps=1)
    for parameter in run.model.decoder.parameters():
        parameter.data.zero_()
    assert largest_paying_beta(run) == pytest.approx(largest_eigenvalue(data) / 0.25, rel=1e-4)


@pytest.mark.parametrize("share", [0.5, 0.8, 1.25])
def test_a_latent_has_the_nats_that_the_law_gives_it(share: float) -> None:
    data = line_of_data()
    beta = share * largest_eigenvalue(data) / 0.25
    options: dict[str, Any] = {"hidden": (), "likelihood": "gaussian", "scale": 0.5, "optimizer": "adam", "lr": 0.03}
    run = fitted(data, latent_dim=1, beta=beta, steps=400, batch_size=500, **options)
    assert run.history[-1]["held_out_rate"] == pytest.approx(max(0.0, -log(share) / 2), abs=0.01)
    assert (share > 1) == (diagnose(run) is not None)


def test_the_eigenvalue_that_does_not_pay_is_that_of_the_standardised_data() -> None:
    x = line_of_data().images * torch.tensor([1e3, 1.0, 1e-3])
    family = Standardised.of(build("gaussian", (3,)), x)
    run = fitted(Dataset("line", x), hidden=(), latent_dim=1, likelihood=family, beta=9.0, steps=300)
    run.config["likelihood"] = "gaussian"  # as the command line has it
    eigenvalue = torch.linalg.eigvalsh(torch.corrcoef(x.T))[-1].item()
    found = re.search(r"the largest eigenvalue of the standardised data, (.*), is below β σ² = 9:", str(diagnose(run)))
    assert found is not None
    assert float(found[1]) == pytest.approx(eigenvalue, rel=0.1)


def test_what_is_coded_pays_no_more() -> None:
    options: dict[str, Any] = {"hidden": (), "likelihood": "gaussian", "scale": 0.5, "optimizer": "adam", "lr": 0.03}
    run = fitted(line_of_data(), latent_dim=1, steps=400, batch_size=500, **options)
    assert largest_paying_beta(run) < 0.2 < 1 < largest_eigenvalue(run.dataset()) / 0.25


FAILING: dict[str, tuple[dict[str, Any], str]] = {
    "a bernoulli above its largest β": (
        {"beta": 400.0, "steps": 150},
        r"posterior collapse: no latent pays above β 2.*, and β is 400; lower `beta`",
    ),
    "a gaussian that is too wide": (
        {"likelihood": "gaussian", "beta": 2.0, "steps": 300, "scale": 3.0},
        r"posterior collapse: the largest eigenvalue of the data, .*, is below β σ² = 18: no latent pays; lower `sc",
    ),
    "too short": (
        {"beta": 2.0, "steps": 25, "lr": 3e-3},
        r"posterior collapse: no latent is active, though one would pay up to β .*; train for longer, or let β rise",
    ),
    "a family without the law": (
        {"beta": 1000.0, "likelihood": "discretized-logistic"},
        r"posterior collapse: no latent is active, the decoder ignores the code; lower `beta`, or train for longer",
    ),
    "another objective": (
        {"elbo": TotalCorrelation(1618, alpha=300.0, beta=300.0, gamma=300.0), "steps": 150},
        r"posterior collapse: no latent is active, the decoder ignores the code; let the objective ask less of",
    ),
    "a rate above what two latents carry": (
        {"match_rate": 500.0, "latent_dim": 2, "steps": 800},
        r"rate out of reach: β has gone to its bound of 1e-06, and the rate is .* nats, not 500; ask for less",
    ),
    "a rate that takes longer": (
        {"match_rate": 30.0, "steps": 100},
        r"rate not reached: in training it is .* nats, not 30, with β at 0\.\d+; train for longer, or begin with",
    ),
    "a likelihood as sharp as a grey level": (
        {"likelihood": "gaussian", "scale": 0.004, "latent_dim": 2, "steps": 400},
        r"idle β: each active latent has \d.* nats or more, so β 1 holds none to the prior; raise `beta` or `scale`",
    ),
}


@pytest.mark.parametrize("name", FAILING)
def test_a_fit_that_fails_is_told_why_in_one_line(name: str, small: Dataset) -> None:
    settings, said = FAILING[name]
    diagnosis = str(diagnose(fitted(small, **settings)))
    assert len(diagnosis) <= 160
    assert "\n" not in diagnosis
    assert re.match(said, diagnosis), diagnosis


def test_data_that_do_not_vary_have_nothing_to_code() -> None:
    same = Dataset("same", torch.full((50, 1, 8, 8), 128, dtype=torch.uint8))
    assert str(diagnose(fitted(same))) == (
        "posterior collapse: the data do not vary, and there is nothing to code; look at them"
    )


def test_two_latents_at_a_small_beta_are_too_few(digits: Dataset) -> None:
    diagnosis = str(diagnose(fitted(digits, hidden=(400,), latent_dim=2, beta=0.1, steps=130)))
    assert re.match(
        r"full code: 2 of 2 latents are active, and one more would carry about [23]\.\d nats; raise", diagnosis
    )


@pytest.mark.parametrize("likelihood", ["gaussian-learned", "gaussian-heteroscedastic"])
def test_a_scale_that_fits_forty_images_alone_diverges(likelihood: str, small: Dataset) -> None:
    few = Dataset("few", small.images, train=small.train[:40], held_out=small.held_out)
    run = fitted(few, likelihood=likelihood, hidden=(400,), steps=700, eval_every=25)
    diagnosis = diagnose(run)
    assert diagnosis.name == "diverging scale"
    best = max(run.history, key=lambda record: record["held_out_elbo"])["step"]  # β is 1
    assert diagnosis.remedy.endswith("or take gaussian with a fixed `scale`")
    assert (f"(`steps={best}`)" in diagnosis.remedy) == (best >= 0.05 * 700)


def test_a_scale_at_its_floor_is_found() -> None:
    options: dict[str, Any] = {"hidden": (), "latent_dim": 1, "optimizer": "adam", "lr": 0.03}
    run = fitted(line_of_data(), likelihood="gaussian-learned", batch_size=500, **options)
    assert said(run) is None
    run.model.likelihood.log_scale.data.fill_(-7.0)
    assert str(diagnose(run)).startswith("diverging scale: the learned scale 0.00")


def said(run: Run) -> str | None:
    """The name of what is wrong; that a short fit is still falling is not."""
    diagnosis = diagnose(run)
    return None if diagnosis is None or diagnosis.name == "still falling" else diagnosis.name


@pytest.mark.parametrize("likelihood", sorted(LIKELIHOODS.keys() - {"gaussian"}))  # which does collapse on 8×8 pixels
def test_nothing_is_said_of_a_family_at_its_defaults(likelihood: str, small: Dataset) -> None:
    steps = 20 if likelihood == "categorical" else 150
    assert said(fitted(small, likelihood=likelihood, steps=steps, eval_every=20)) is None


@pytest.mark.parametrize(("likelihood", "beta"), [("bernoulli", beta) for beta in (0, 1, 4, 6)] + [("gaussian", 1)])
def test_nothing_is_said_of_the_default_fit(likelihood: str, beta: float, digits: Dataset) -> None:
    assert said(fitted(digits, hidden=(400,), likelihood=likelihood, beta=beta, steps=150)) is None


@pytest.mark.parametrize("likelihood", ["gaussian", "gaussian-learned", "gaussian-heteroscedastic"])
def test_nothing_is_said_of_joint_gaussians(likelihood: str) -> None:
    data = datasets.load("gaussian", points=5000)
    assert said(fitted(data, likelihood=likelihood, latent_dim=2, steps=200, optimizer="adam")) is None


def test_parts_of_ones_own_are_let_be(small: Dataset) -> None:
    class Own(BetaVAE):
        def encode(self, x: torch.Tensor) -> dist.TorchDistribution:
            loc, log_variance = self.encoder(x)
            return dist.MultivariateNormal(loc, scale_tril=torch.diag_embed((0.5 * log_variance).exp()))

    class Mine(torch.nn.Module):
        def forward(self, parameters: torch.Tensor) -> dist.TorchDistribution:
            return dist.Normal(parameters, 1.0).to_event(3)

    run = fit(Own(small.shape, 3, hidden=(20,)), small, steps=20)
    assert run.history[-1]["held_out_kl_per_latent"] is None
    assert said(run) is None
    run = fit(BetaVAE(small.shape, 3, hidden=(20,), likelihood=Mine()), small, steps=20)
    assert largest_paying_beta(run) is None
    assert diagnose(Run(run.model, run.config, [], 0)) is None


def test_without_the_data_a_collapse_is_still_found(small: Dataset) -> None:
    run = fitted(Dataset("mine", small.images), beta=400.0)
    stored = Run(run.model, run.config, run.history, run.step)
    assert str(diagnose(run)).startswith("posterior collapse: no latent pays above")
    assert str(diagnose(stored)).startswith("posterior collapse: no latent is active, the decoder ignores the code")


def test_fit_says_it_last_and_json_holds_it(cli: Cli, here: Path) -> None:
    options = ["fit", "--image-size", 8, "--hidden", 20, "--overwrite", "--out", "a"]
    said = cli(*options, "--steps", 100, "--beta", 400)
    assert said.stdout.splitlines()[-1].startswith("posterior collapse: no latent pays above β ")
    assert said.stdout.splitlines()[-1].endswith("lower --beta")
    assert cli(*options, "--steps", 1).stdout.splitlines()[-1] == "sweep: pyro-bvae traverse a"
    stored = json.loads(cli(*options, "--steps", 100, "--beta", 400, "--json").stdout)["diagnosis"]
    assert str(Diagnosis(**stored)) == said.stdout.splitlines()[-1]
    assert asdict(Diagnosis(**stored)) == stored
    assert json.loads(cli(*options, "--steps", 1, "--json").stdout)["diagnosis"] is None


BETA, VALUES = 2.0, 64  # of the synthetic runs
Lines = list[tuple[float, float]]  # distortion and rate


def run_of(
    held_out: list[tuple[float, float]],
    training: list[tuple[float, float]] | None = None,
    likelihood: str = "bernoulli",
) -> Run:
    """A run with such a history, a line every 10 steps, whose training does as its held-out data do or as is said."""
    pairs = zip(held_out, training or held_out, strict=True)
    history = [
        {"step": 10 * number, "beta": BETA, "distortion": d, "rate": r, "held_out_distortion": held_d,
         "held_out_rate": held_r, "held_out_kl_per_latent": [held_r / 2, held_r / 2]}
        for number, ((held_d, held_r), (d, r)) in enumerate(pairs, start=1)
    ]  # fmt: skip
    vae = BetaVAE((1, 8, 8), 2, hidden=(4,), beta=BETA)
    config = {"likelihood": likelihood, "elbo": "TraceMeanField_ELBO()", "can_be_loaded": False, "dataset": "made"}
    return Run(vae, config | {"beta": BETA}, history, history[-1]["step"])


def falling(*distortions: float, rate: float = 3.0) -> Lines:
    return [(distortion, rate) for distortion in distortions]


VERDICTS: dict[str, tuple[Run, str | None]] = {
    "converged": (run_of(falling(90, 60, 50, 45, 44, 44, 44, 44)), None),
    "it falls to the end": (run_of(falling(90, 80, 70, 60, 50, 40, 30, 20)), "still falling"),
    "two lines that fall": (run_of(falling(90, 60)), "still falling"),
    "one line": (run_of(falling(90)), None),
    "overfitting with six lines": (
        run_of(falling(-7233, -6000, -5000, -4000, -3000, -2420), falling(-7000, -7500, -7900, -8200, -8400, -8500)),
        "overfitting",
    ),
    "overfitting of a learned scale": (
        run_of(falling(50, -90, -50, -20), falling(50, -90, -150, -200), likelihood="gaussian-learned"),
        "diverging scale",
    ),
    "one line that jumps": (run_of(falling(*[60] * 10, 66, 60, 60, 75)), None),
    "the last line explodes": (run_of([*falling(*[60] * 11), (61, 4e5)]), "exploding rate"),
    "the rate explodes": (
        run_of([*falling(50, -90, -90), (-80, 4e4), (-80, 4e5)], likelihood="gaussian-learned"), "exploding rate"
    ),
    "training diverges": (run_of(falling(90, 60, 50, 120, 150)), "diverging training"),
    "a negative rate": (run_of(falling(90, 60, 50, 45, 44, 44, rate=-3.0)), "negative rate"),
    "a rate of 0, estimated": (run_of(falling(90, 60, 50, 45, 44, 44, rate=-0.01)), "posterior collapse"),
    "an idle β": (run_of(falling(90, 60, 44, 44, 44, 44, 44, rate=20.0)), "idle β"),
}  # fmt: skip


@pytest.mark.parametrize("name", VERDICTS)
def test_a_history_has_its_verdict(name: str) -> None:
    run, verdict = VERDICTS[name]
    diagnosis = diagnose(run)
    assert (diagnosis and diagnosis.name) == verdict


@pytest.mark.parametrize("name", VERDICTS)
def test_a_constant_in_the_distortion_changes_no_verdict(name: str) -> None:
    run, verdict = VERDICTS[name]
    other_units = VALUES * log(1000)  # data in thousandths: the density of each value is a thousandth
    history = [
        record | {key: record[key] + other_units for key in ("distortion", "held_out_distortion")}
        for record in run.history
    ]
    diagnosis = diagnose(Run(run.model, run.config, history, run.step))
    assert (diagnosis and diagnosis.name) == verdict


@pytest.mark.parametrize("lines", [1, 2, 3, 6, 40])
@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian-learned", "beta"])
def test_a_loss_that_only_falls_has_no_fault(lines: int, likelihood: str) -> None:
    steps = torch.rand(lines, generator=torch.Generator().manual_seed(lines)).cumsum(0).mul(-30)
    assert said(run_of(falling(*(500 + steps).tolist()), likelihood=likelihood)) is None


@pytest.mark.parametrize("best", range(6))
def test_nobody_is_told_to_stop_where_nothing_was_learnt(best: int) -> None:
    distortions = [100.0 - 10 * line if line <= best else 200.0 for line in range(60)]
    training = falling(*(100 - torch.arange(60.0)).tolist())
    remedy = diagnose(run_of(falling(*distortions), training)).remedy
    assert ("stop there" in remedy) == (10 * (best + 1) >= 0.05 * 600 and best > 0)


def test_a_run_that_is_still_falling_is_not_told_to_code_more(digits: Dataset) -> None:
    run = fitted(digits, hidden=(40,), latent_dim=2, beta=0.1, steps=30)
    assert diagnose(run) == still_falling(run)
    assert "latent_dim" not in str(diagnose(run))
