"""Programs of several sites are evaluated like those of one: at β 1, over all latents, with their terms by site."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import mean, stdev, variance
from typing import Any

import pyro
import pyro.distributions as dist
import pytest
import several
import torch
from conftest import Cli

from pyro_bvae import BetaVAE, evaluate
from pyro_bvae.datasets import Rows
from pyro_bvae.evaluation import decompose_rate, gaps, iw_bound, nuts
from pyro_bvae.evaluation.precision import standard_errors
from pyro_bvae.programs import Conditional, Hierarchical, Joint, SemiSupervised
from pyro_bvae.terms import mean_terms

SHAPE = several.SHAPE
PROGRAMS = {
    "semi-supervised": lambda: SemiSupervised(SHAPE, 2, classes=3, hidden=(6,)),
    "hierarchical": lambda: Hierarchical(SHAPE, 2, hidden=(6,)),
    "conditional": lambda: Conditional(SHAPE, 2, classes=3, hidden=(6,)),
    "joint": lambda: Joint(SHAPE, 2, classes=3, hidden=(6,)),
    "mixture": several.Mixture,
    "two vectors": several.TwoVectors,
}
SUMMED = ("semi-supervised", "joint")  # over a class, so that the bound of one draw is above the ELBO


def make(name: str) -> BetaVAE:
    torch.manual_seed(0)
    vae: BetaVAE = PROGRAMS[name]()
    vae.beta = 4.0
    return vae


def rows(size: int = 24) -> Rows:
    """Data with a class that is missing in a third of them."""
    generator = torch.Generator().manual_seed(0)
    images = (torch.rand(size, *SHAPE, generator=generator) > 0.5).float()
    labels = torch.arange(size) % 3
    return Rows(images, {"labels": torch.where(torch.arange(size) % 3 == 2, -1, labels)})


def known(size: int = 24) -> Rows:
    return Rows(rows(size).images, {"labels": torch.arange(size) % 3})


def data_of(name: str) -> Rows:
    return known() if name == "conditional" else rows()


@pytest.mark.parametrize("name", PROGRAMS)
def test_terms_by_site_add_up_at_any_beta(name: str) -> None:
    vae, data = make(name), data_of(name)
    result = evaluate(vae, data)
    assert sum(result.distortions.values()) == pytest.approx(result.distortion)
    assert sum(result.rates.values()) == pytest.approx(result.rate, rel=1e-5)
    assert result.elbo == pytest.approx(-(result.distortion + result.rate))
    assert result.bits_per_dim is None or result.bits_per_dim > 0
    assert 0 <= result.mse < 1
    assert result.kl_per_latent is not None
    assert len(result.latents) == len(result.kl_per_latent)
    for site, nats in result.rates.items():
        of_units = [
            kl for kl, unit in zip(result.kl_per_latent, result.latents, strict=True) if unit.split("[")[0] == site
        ]
        assert sum(of_units) == pytest.approx(nats, rel=1e-4, abs=1e-5)
    vae.beta = 0.0
    assert evaluate(vae, data).elbo == result.elbo


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_bound_over_all_sites_is_above_the_elbo_and_rises(name: str) -> None:
    vae, data = make(name), data_of(name)
    elbo = sum(mean_terms(vae, data, seed=seed).elbo for seed in range(20)) / 20
    one = sum(iw_bound(vae, data, 1, seed=seed) for seed in range(20)) / 20
    many = iw_bound(vae, data, 300)
    assert many > elbo - 0.02
    assert one > elbo - 0.02 if name in SUMMED else one == pytest.approx(elbo, abs=0.5)
    assert many > one - 0.02
    if name == "mixture":
        with pytest.raises(ValueError, match="the posterior of 'y' is drawn without a gradient"):
            gaps(vae, data, images=10, draws=2, steps=1)
        return
    parts = gaps(vae, data, images=10, draws=50, steps=20)
    assert parts.gap == pytest.approx(parts.approximation_gap + parts.amortisation_gap)


def test_a_relaxed_class_under_a_prior_of_classes_has_no_weights() -> None:
    class Relaxed(several.Joint):
        def model(self, x: Any = None, size: int = 1) -> Any:
            classes = dist.OneHotCategorical(logits=torch.zeros(several.CLASSES), validate_args=False)
            self.register()
            with pyro.plate("batch", size if x is None else len(x), dim=-1), self.weighted():
                y = pyro.sample("y", classes)
                return pyro.sample("x", self.show(pyro.sample("z", self.prior()), y), obs=x)

    vae = Relaxed()
    for use in (lambda: iw_bound(vae, rows(), 2), lambda: gaps(vae, rows(), images=4, draws=2, steps=1)):
        with pytest.raises(ValueError, match="is relaxed in the guide and discrete in the model"):
            use()


@pytest.mark.parametrize("name", PROGRAMS)
def test_estimates_have_the_standard_errors_of_their_draws(name: str) -> None:
    vae, data = make(name), known(300) if name == "conditional" else rows(300)
    drawn = [mean_terms(vae, data, seed=seed) for seed in range(200)]
    errors = [standard_errors(vae, data, batch_size=1000, seed=seed) for seed in range(20)]
    assert mean(error.elbo**2 for error in errors) == pytest.approx(variance(one.elbo for one in drawn), rel=0.3)
    rates = [error.rate or 0.0 for error in errors]
    assert mean(rate**2 for rate in rates) == pytest.approx(variance(one.rate for one in drawn), rel=0.4, abs=1e-9)
    result = evaluate(vae, data, particles=8)
    assert result.iw_standard_error == pytest.approx(stdev(iw_bound(vae, data, 8, seed=s) for s in range(60)), rel=0.5)
    assert evaluate(vae, data, particles=1).iw_standard_error is None


def test_errors_of_many_data_are_those_of_some_of_them() -> None:
    vae = BetaVAE(SHAPE, 2, hidden=(6,))
    many = Rows(torch.rand(3500, *SHAPE).round())
    elbos = [mean_terms(vae, many, seed=seed).elbo for seed in range(60)]
    errors = standard_errors(vae, many, batch_size=300, seed=0)
    assert errors.elbo == pytest.approx(stdev(elbos), rel=0.4)
    assert errors.rate is None


def test_the_rate_of_one_site_is_taken_apart_where_it_is_its_own() -> None:
    parts = decompose_rate(make("joint"), rows(), site="z")
    assert parts.rate == pytest.approx(
        parts.mutual_information + parts.total_correlation + parts.dimension_wise_kl, abs=1e-4
    )
    assert decompose_rate(make("conditional"), known()).images == 24
    for name, site, message in (
        ("hierarchical", "z1", "the prior of 'z1' depends on other sites"),
        ("semi-supervised", "z", "the posterior of 'z' depends on another latent"),
        ("joint", "y", "wants a guide of independent normals"),
        ("joint", "w", "`site` names a latent site of the guide"),
    ):
        with pytest.raises(ValueError, match=message):
            decompose_rate(make(name), data_of(name), site=site)


def test_nuts_draws_all_layers_and_keeps_one() -> None:
    vae = make("hierarchical")
    chains = nuts(vae, rows(), images=1, chains=1, draws=4, warmup=2, site="z1")
    assert chains.site == "z1"
    assert chains.draws.shape == (1, 1, 4, 4)
    with pytest.raises(ValueError, match="'y' is discrete"):
        nuts(make("semi-supervised"), rows(), images=1)


def test_the_command_prints_terms_by_site(cli: Cli, here: Path) -> None:
    options = ["--program", "hierarchical", "--latent-dim", 2, "--hidden", 8, "--steps", 4, "--out", "run"]
    fitted = cli("fit", *options)
    assert fitted.exit_code == 0, fitted.stderr
    result = cli("evaluate", "run")
    assert result.exit_code == 0, result.stderr
    lines = {line[:12]: line for line in result.stdout.splitlines()}
    assert set(lines["rate by site"].split()[3::2]) == {"z1", "z2"}
    assert "z2[0] " in lines["KL per laten"]
    stored = json.loads(cli("evaluate", "run", "--json").stdout)
    assert set(stored["rates"]) == {"z1", "z2"}
    assert stored["latents"][:2] == ["z2[0]", "z2[1]"]
