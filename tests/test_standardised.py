"""Standardised families are densities of the data in their own units, and a fit of them is one of standardised data."""

from __future__ import annotations

import itertools
from math import log
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Cli, same_parameters
from pyro.infer import Predictive, TraceMeanField_ELBO
from scipy import integrate, stats
from torch import Tensor

from pyro_bvae import BetaVAE, evaluate, fit, load_run, plots, traversal
from pyro_bvae.datasets import Dataset
from pyro_bvae.evaluation.evaluation import central_interval
from pyro_bvae.likelihoods import LIKELIHOODS, Likelihood, Standardised, build, family_of
from pyro_bvae.likelihoods.standardised import moments, takes_standardised
from pyro_bvae.runs import build_model
from pyro_bvae.settings.options import DEFAULTS
from pyro_bvae.settings.training import TrainingSettings
from pyro_bvae.terms import mean_terms, per_value
from pyro_bvae.training.state import Training

FAMILIES = [name for name in LIKELIHOODS if takes_standardised(build(name, (3,)))]
LOC, SCALE = torch.tensor([1e3, -2.0, 0.5]), torch.tensor([250.0, 1e-3, 2.0])
FAST = ["--hidden", 8, "--latent-dim", 2, "--no-compile", "--no-figures", "--steps", 3]


def pair(name: str) -> tuple[Likelihood, Standardised, Tensor]:
    """A family in evaluation mode, the same standardised, and outputs of a decoder for four data."""
    family = build(name, (3,)).eval()
    return family, Standardised(family, LOC, SCALE).eval(), torch.randn(4, 3 * family.outputs_per_value)


def test_all_gaussians_and_laplaces_can_be_standardised() -> None:
    assert [name for name in LIKELIHOODS if "gaussian" in name or "laplace" in name] == FAMILIES


@pytest.mark.parametrize("name", FAMILIES)
def test_the_density_is_the_familys_with_the_jacobian(name: str) -> None:
    family, standardised, outputs = pair(name)
    u = torch.randn(4, 3)
    x = LOC + SCALE * u
    expected = family(outputs).log_prob((x - LOC) / SCALE) - SCALE.log().sum()
    torch.testing.assert_close(standardised(outputs).log_prob(x), expected)
    for training in (True, False):
        assert standardised.train(training)(outputs).event_shape == (3,)
        assert standardised(outputs).log_prob(x).shape == (4,)


@pytest.mark.parametrize("name", FAMILIES)
def test_each_value_has_a_density_that_integrates_to_one_in_the_datas_units(name: str) -> None:
    _, standardised, outputs = pair(name)
    p = per_value(standardised.double()(outputs[0].double().detach()))
    for i in range(3):
        mean, spread = p.mean[i].item(), p.variance[i].item() ** 0.5

        def density(t: float, i: int = i) -> float:
            x = p.mean.detach().clone()
            x[i] = t
            return p.log_prob(x)[i].exp().item()

        edges = [mean + spread * t for t in (-40, -8, -1, 0, 1, 8, 40)]
        pieces = itertools.pairwise(edges)
        assert sum(integrate.quad(density, *ends)[0] for ends in pieces) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(("name", "theirs"), [("gaussian", stats.norm), ("laplace", stats.laplace)])
def test_standardised_families_agree_with_scipy(name: str, theirs: stats.rv_continuous) -> None:
    standardised = Standardised(build(name, (3,), scale=0.3), LOC, SCALE)
    outputs, x = torch.randn(3), LOC + SCALE * torch.randn(3)
    loc, scale = (LOC + SCALE * outputs).double(), (0.3 * SCALE).double()
    expected = theirs(loc.numpy(), scale.numpy()).logpdf(x.double().numpy()).sum()
    assert standardised(outputs).log_prob(x).item() == pytest.approx(expected, rel=1e-4)
    low, high = central_interval(per_value(standardised(outputs)), 0.9)
    np.testing.assert_allclose(low, theirs(loc, scale).ppf(0.05), rtol=1e-5)
    np.testing.assert_allclose(high, theirs(loc, scale).ppf(0.95), rtol=1e-5)


@pytest.mark.parametrize("name", FAMILIES)
def test_mean_and_deviation_agree_with_draws(name: str) -> None:
    _, standardised, outputs = pair(name)
    p = standardised(outputs[0].detach())
    draws = p.sample((20_000,))
    assert ((draws.mean(0) - p.mean).abs() < 5 * p.variance.sqrt() / 20_000**0.5).all()
    torch.testing.assert_close(draws.std(0), p.variance.sqrt(), rtol=0.05, atol=0)


def units(vectors: Dataset) -> tuple[Dataset, Dataset, Tensor, Tensor]:
    """Vectors in units of their own, the same standardised, and the mean and deviation of the training part."""
    raw = Dataset("raw", vectors.images * torch.tensor([1e3, 1.0, 1e-2, 50.0, 7.0]) + 3)
    loc, scale = moments(raw.images[raw.train])
    return raw, Dataset("u", (raw.images - loc) / scale), loc, scale


@pytest.mark.parametrize("name", FAMILIES)
def test_a_fit_is_that_of_the_family_to_standardised_data(name: str, vectors: Dataset) -> None:
    raw, u, loc, scale = units(vectors)
    torch.manual_seed(0)
    ours = BetaVAE((5,), 2, hidden=[8], likelihood=Standardised(build(name, (5,)), loc, scale))
    torch.manual_seed(0)
    theirs = BetaVAE((5,), 2, hidden=[8], likelihood=name)
    runs = [fit(vae, data, steps=5, eval_every=1) for vae, data in ((ours, raw), (theirs, u))]
    assert same_parameters(ours, theirs)
    jacobian = scale.double().log().sum().item()
    for one, other in zip(*(run.history for run in runs), strict=True):
        for term in ("loss", "distortion", "held_out_distortion"):
            assert one[term] == pytest.approx(other[term] + jacobian, abs=1e-4)
    results = [
        evaluate(run.model, data.images[data.held_out], particles=2) for run, data in zip(runs, (raw, u), strict=True)
    ]
    assert results[0].iw_bound == pytest.approx(results[1].iw_bound - jacobian, abs=1e-4)
    assert results[0].coverage_90 == results[1].coverage_90
    z = torch.randn(7, 2)
    torch.testing.assert_close(ours.decode(z).mean, loc + scale * theirs.decode(z).mean)
    torch.testing.assert_close(ours.encode(raw.images).mean, theirs.encode(u.images).mean)
    assert Predictive(ours.model, num_samples=3)()["x"].shape == (3, 1, 5)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_recorded_step_is_the_eager_one(name: str, vectors: Dataset) -> None:
    raw, _, loc, scale = units(vectors)
    models = []
    for records in (False, True):
        torch.manual_seed(0)
        vae = BetaVAE((5,), 2, hidden=[8], likelihood=Standardised(build(name, (5,)), loc, scale))
        training = Training(vae, raw, TrainingSettings(steps=4), TraceMeanField_ELBO())
        if records:
            training.compile(None)
        torch.manual_seed(1)
        for _ in range(4):
            training.advance()
        models.append(vae)
    for one, other in zip(*(vae.state_dict().values() for vae in models), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("factor", [1.0, 1e3, 1e-3])
@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_moments_keep_their_digits(factor: float, offset: float) -> None:
    x = (factor * (offset + torch.randn(70_000, 3, dtype=torch.float64) * torch.tensor([1.0, 10.0, 100.0]))).float()
    x[:, 1] = 0.1
    loc, scale = moments(x)
    reference = x.double().numpy()
    expected = np.where([False, True, False], 1, reference.std(0))
    np.testing.assert_allclose(loc.numpy(), reference.mean(0), rtol=1e-6)
    np.testing.assert_allclose(scale.numpy(), expected, rtol=1e-6)
    assert ((x[:, 1] - loc[1]) == 0).all()


def test_an_outlier_overflows_nothing() -> None:
    x = torch.randn(500, 2)
    x[7, 0] = 1e30
    loc, scale = moments(x)
    u = (x - loc) / scale
    assert u.isfinite().all()
    assert u[7, 0].item() == pytest.approx(499**0.5, rel=1e-4)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Standardised(build("bernoulli", (3,)), 0.0, 1.0), "a Bernoulli does not take standardised values"),
        (lambda: Standardised(build("gaussian", (3,), mean_link="sigmoid"), 0.0, 1.0), "with the identity link"),
        (lambda: Standardised(build("gaussian", (3,)), 0.0, 0.0), "scale must be positive and finite, got 0.0"),
        (lambda: Standardised(build("gaussian", (3,)), float("nan"), 1.0), "loc must be finite"),
        (lambda: Standardised(Standardised(build("gaussian", (3,)), 0.0, 1.0), 0.0, 1.0), "does not take standardised"),
    ],
)
def test_what_cannot_be_standardised_is_refused(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.fixture
def table(here: Path) -> np.ndarray:
    """A table of 40 rows in units of their own, as a.csv, a.txt, a.npy and a.npz; and small.npy, which needs none."""
    values = np.random.default_rng(0).normal(size=(40, 3)) * [1e3, 1, 1e-2] + [5e3, 0, 1]
    values[:, 2] = 7
    np.savetxt("a.csv", values, delimiter=",", header="area,depth,count", comments="")
    np.savetxt("a.txt", values)
    np.save("a.npy", values)
    np.savez("a.npz", images=values)
    np.save("small.npy", np.random.default_rng(0).normal(size=(40, 3)))
    return values


@pytest.mark.parametrize("kind", ["csv", "txt", "npy", "npz"])
def test_the_command_line_standardises_tables_and_says_so(cli: Cli, table: np.ndarray, kind: str) -> None:
    fitted = cli("fit", "--dataset", f"{kind}:a.{kind}", "--likelihood", "gaussian-optimal", *FAST, "--out", "run")
    assert fitted.exit_code == 0, fitted.output
    assert ", standardised (--no-standardise leaves them as they are)" in fitted.stdout
    run = load_run("run")
    assert run.config["standardise"] is True
    data = run.dataset()
    expected = table.astype(np.float32)[data.train].astype(float)
    np.testing.assert_allclose(run.model.likelihood.loc, expected.mean(0), rtol=1e-5)
    np.testing.assert_allclose(run.model.likelihood.scale, [*expected.std(0)[:2], 1], rtol=1e-5)
    assert type(family_of(run.model.likelihood)) is LIKELIHOODS["gaussian-optimal"]
    means = mean_terms(run.model, data.images[data.held_out])
    assert -means.elbo == pytest.approx(-run.history[-1]["held_out_elbo"])
    assert cli("fit", "--resume", "--out", "run", "--steps", 6, "--no-figures").exit_code == 0
    for command in (["evaluate", "run"], ["traverse", "run"], ["sample", "run"], ["reconstruct", "run"]):
        done = cli(*command)
        assert done.exit_code == 0, done.output


def test_no_standardise_leaves_the_vectors_as_they_are(cli: Cli, table: np.ndarray) -> None:
    arguments = ("fit", "--dataset", "npy:small.npy", "--likelihood", "laplace", *FAST)
    fitted = cli(*arguments, "--no-standardise", "--out", "run")
    assert (fitted.exit_code, "standardised" in fitted.output) == (0, False)
    run = load_run("run")
    assert (run.config["standardise"], type(run.model.likelihood)) == (False, LIKELIHOODS["laplace"])
    again = cli("fit", "--config", "run/config.json", "--out", "again")
    assert (again.exit_code, load_run("again").config["standardise"]) == (0, False)
    assert (
        "standardise is False in the run and True here"
        in cli("fit", "--resume", "--out", "run", "--standardise").output
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--dataset", "csv:a.csv", "--likelihood", "bernoulli"),
            "the bernoulli likelihood does not take standardised",
        ),
        (
            ("--dataset", "digits", "--likelihood", "gaussian"),
            "--standardise is for vectors, and these data are images",
        ),
        (("--dataset", "csv:a.csv", "--likelihood", "gaussian", "--mean-link", "sigmoid"), "say --no-standardise"),
    ],
)
def test_standardise_is_refused_where_it_means_nothing(
    cli: Cli,
    table: np.ndarray,
    arguments: tuple[str, ...],
    message: str,
) -> None:
    result = cli("fit", *arguments, "--standardise", *FAST, "--out", "run")
    assert (result.exit_code, message in result.output) == (2, True)


def test_vectors_that_are_drawn_are_left_as_they_are(cli: Cli, here: Path) -> None:
    fitted = cli("fit", "--dataset", "gaussian", "--points", 50, "--likelihood", "gaussian", *FAST, "--out", "run")
    assert (fitted.exit_code, load_run("run").config["standardise"]) == (0, False)


def test_a_run_from_before_goes_on_as_it_began(cli: Cli, table: np.ndarray) -> None:
    arguments = ("fit", "--dataset", "npy:small.npy", "--likelihood", "gaussian", *FAST)
    assert cli(*arguments, "--no-standardise", "--out", "run").exit_code == 0
    path = Path("run/config.json")
    path.write_text(path.read_text().replace('  "standardise": false,\n', ""))
    assert '"standardise"' not in path.read_text()
    assert cli("fit", "--resume", "--out", "run", "--steps", 6, "--no-figures").exit_code == 0
    assert cli("fit", "--config", "run/config.json", "--out", "again").exit_code == 0
    assert not isinstance(load_run("again").model.likelihood, Standardised)


def test_families_compare_in_the_datas_units(cli: Cli, table: np.ndarray) -> None:
    arguments = ("compare", "--dataset", "csv:a.csv", *FAST, "--likelihood", "gaussian", "--likelihood", "laplace")
    result = cli(*arguments, "--match", "rate=1", "--out", "both")
    assert result.exit_code == 0, result.output
    for name in ("gaussian", "laplace"):
        run = load_run(f"both/{name}-seed0")
        assert isinstance(run.model.likelihood, Standardised)


def test_gaussian_of_a_constant_column_costs_what_its_scale_says() -> None:
    data = Dataset("constant", torch.cat([torch.randn(30, 1), torch.full((30, 1), 4.0)], 1))
    vae = build_model(
        {**DEFAULTS, "likelihood": "gaussian", "hidden": [4], "latent_dim": 1, "standardise": True}, (2,), data
    )
    assert vae.likelihood.loc[1].item() == 4
    p = per_value(vae.likelihood(torch.zeros(2)))
    assert p.log_prob(torch.tensor([0.0, 4.0]))[1].item() == pytest.approx(-0.5 * log(2 * np.pi))


def test_curves_and_covariances_of_unlike_units_are_drawn_in_deviations(vectors: Dataset) -> None:
    raw, _, loc, scale = units(vectors)
    vae = BetaVAE((5,), 2, hidden=[8], likelihood=Standardised(build("gaussian", (5,)), loc, scale))
    sweep = traversal.traverse(vae, traversal.base(vae, raw.images))
    lines = plots.traversal(sweep).axes[0].lines
    for i, line in enumerate(lines):
        expected = (sweep.images[0, 0, :, i] - loc[i]) / scale[i]
        np.testing.assert_allclose(line.get_ydata(), expected.numpy(), atol=1e-5)
    shown = plots.covariances({"data": raw.images, "again": raw.images}).axes[0].images[0].get_array()
    np.testing.assert_allclose(np.diag(shown), 1, rtol=1e-5)
    alike = plots.covariances({"data": vectors.images}).axes[0].images[0].get_array()
    np.testing.assert_allclose(alike, torch.cov(vectors.images.T).numpy(), rtol=1e-5)


@pytest.mark.parametrize("count", [2, 3, 11])
def test_few_vectors_are_drawn_without_a_warning(cli: Cli, here: Path, count: int) -> None:
    np.save("few.npy", np.random.default_rng(0).normal(size=(count, 4)))
    arguments = ("--hidden", 8, "--latent-dim", 2, "--no-compile", "--steps", 2, "--out", "run")
    fitted = cli("fit", "--dataset", "npy:few.npy", "--likelihood", "gaussian", *arguments)
    assert fitted.exit_code == 0, fitted.output
    for command in ("evaluate", "traverse", "sample", "reconstruct", "encode"):
        assert cli(command, "run").exit_code == 0
