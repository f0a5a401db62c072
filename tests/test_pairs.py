"""Every prior with every posterior: terms, gradients, recorded steps, files and the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyro
import pytest
import torch
from conftest import Cli, same_parameters, without_timings
from pyro import poutine
from pyro.infer import Trace_ELBO, TraceMeanField_ELBO
from test_compiled import check_equal_to_eager, step_of
from test_posteriors import POSTERIORS_BY_NAME
from test_priors import PRIORS_BY_NAME
from torch import Tensor

from pyro_bvae import BetaVAE, codes, evaluate, fit, generation, load_run, results, traverse
from pyro_bvae.datasets import Dataset
from pyro_bvae.evaluation import decompose_rate
from pyro_bvae.objectives import DipII, read
from pyro_bvae.pages.packing import UnpackableError, pack_decoder, pack_encoder
from pyro_bvae.terms import terms_of_traces

PAIRS = [
    (prior, posterior)
    for posterior in POSTERIORS_BY_NAME
    for prior in PRIORS_BY_NAME
    if not (prior.startswith("vamp") and posterior.startswith("planar"))
]
EXACT = [("normal", "diagonal"), ("laplace", "diagonal"), ("normal", "full")]  # whose KL is in closed form
each_pair = pytest.mark.parametrize(("prior", "posterior"), PAIRS, ids=[" ".join(pair) for pair in PAIRS])
# by default each prior, and each posterior, is beside the default of the other
FEW = [pair for pair in PAIRS if "normal" in pair or "diagonal" in pair]
LONG = [pytest.param(*pair, marks=[] if pair in FEW else pytest.mark.slow, id=" ".join(pair)) for pair in PAIRS]
each_pair_that_takes_long = pytest.mark.parametrize(("prior", "posterior"), LONG)


def small(prior: str, posterior: str, seed: int = 0, **options: Any) -> BetaVAE:
    torch.manual_seed(seed)
    return BetaVAE((1, 16, 16), 3, hidden=(8,), prior=prior, posterior=posterior, **options)


def loss_and_traces(vae: BetaVAE, x: Tensor, elbo: Any = None) -> tuple[Tensor, poutine.Trace, poutine.Trace]:
    model, guide = poutine.trace(vae.model), poutine.trace(vae.guide)
    loss = (elbo or TraceMeanField_ELBO()).differentiable_loss(model, guide, x)
    return loss, model.trace, guide.trace


@each_pair
def test_terms_add_up_to_the_elbo_and_the_slope_in_beta_is_the_rate(prior: str, posterior: str, x: Tensor) -> None:
    vae = small(prior, posterior)
    loss, model, guide = loss_and_traces(vae, x)
    terms = terms_of_traces(model, guide)
    torch.testing.assert_close((terms.distortion + terms.rate).sum(), loss)
    vae.beta = torch.tensor(3.0, requires_grad=True)
    loss, model, guide = loss_and_traces(vae, x)
    terms = terms_of_traces(model, guide)
    torch.testing.assert_close((terms.distortion + 3 * terms.rate).sum(), loss)
    (slope,) = torch.autograd.grad(loss, vae.beta)
    torch.testing.assert_close(slope, terms.rate.sum())


@each_pair
def test_the_rate_is_the_log_ratio_at_the_draw_or_its_mean(prior: str, posterior: str, x: Tensor) -> None:
    vae = small(prior, posterior)
    loss, model, guide = loss_and_traces(vae, x, Trace_ELBO())
    z, q, p = guide.nodes["z"]["value"], guide.nodes["z"]["fn"], model.nodes["z"]["fn"]
    ratio = q.log_prob(z) - p.log_prob(z)
    torch.testing.assert_close(loss, terms_of_traces(model, guide).distortion.sum() + ratio.sum())
    assert torch.equal(terms_of_traces(model, guide).rate, ratio) != ((prior, posterior) in EXACT)


@each_pair_that_takes_long
def test_recorded_steps_equal_eager_ones(prior: str, posterior: str, x: Tensor) -> None:
    check_equal_to_eager(None, x, last=3, prior=prior, posterior=posterior)


@pytest.mark.parametrize(("prior", "posterior"), PAIRS[2::4])
def test_recorded_steps_in_bf16_are_near(prior: str, posterior: str, x: Tensor) -> None:
    losses = []
    for precision in ("fp32", "bf16"):
        step = step_of(small(prior, posterior), compiler=None, precision=precision)
        state = torch.get_rng_state()
        losses.append([step(x)[0].item() for _ in range(3)])
        torch.set_rng_state(state)
    assert losses[1] == pytest.approx(losses[0], rel=0.01)


@pytest.mark.slow
@each_pair
def test_compiled_steps_equal_eager_ones(prior: str, posterior: str, x: Tensor) -> None:
    from pyro_bvae.compiled.step import inductor

    check_equal_to_eager(inductor, x, prior=prior, posterior=posterior, optimizer="rmsprop")


@each_pair_that_takes_long
def test_a_resumed_run_is_the_uninterrupted_one(prior: str, posterior: str, images: Dataset, tmp_path: Path) -> None:
    options = {"batch_size": 18, "eval_every": 2, "threads": 1, "compile": False}
    whole = fit(small(prior, posterior), images, steps=4, out=tmp_path / "whole", **options)
    fit(small(prior, posterior), images, steps=2, out=tmp_path / "parts", **options)
    torch.rand(17)
    parts = fit(small(prior, posterior, seed=9), images, steps=4, out=tmp_path / "parts", resume=True, **options)
    assert same_parameters(whole.model, parts.model)
    assert without_timings(whole.history) == without_timings(parts.history)
    loaded = load_run(tmp_path / "parts")
    assert same_parameters(whole.model, loaded.model)
    assert (loaded.config["prior"], loaded.config["posterior"]) == (prior, posterior)
    assert evaluate(loaded.model, images.images[:9]) == evaluate(whole.model, images.images[:9])


@each_pair_that_takes_long
def test_what_is_done_with_a_model_is_done(prior: str, posterior: str, images: Dataset) -> None:
    vae = small(prior, posterior)
    result = evaluate(vae, images.images[:20], particles=3)
    assert (result.rate_standard_error is None) == ((prior, posterior) in EXACT)
    assert result.iw_bound is not None
    assert result.iw_bound > result.elbo - 1
    z, drawn = generation.sample(vae, 4)
    assert z.isfinite().all()
    assert drawn.shape == (4, 1, 16, 16)
    coded = codes.encode(vae, images.images[:5])
    assert traverse(vae, coded.loc, columns=3).images.shape == (5, 3, 3, 1, 16, 16)
    assert codes.prior_mean(vae).shape == (3,)
    assert generation.reconstruct(vae, images.images[:5], draw=True)[0].shape == (5, 3)


@pytest.mark.parametrize("posterior", POSTERIORS_BY_NAME)
def test_vectorised_particles_agree_with_single_ones(posterior: str, x: Tensor) -> None:
    vae = small("mixture:3", posterior)
    many = Trace_ELBO(num_particles=300, vectorize_particles=True).loss(vae.model, vae.guide, x)
    one = Trace_ELBO(num_particles=100).loss(vae.model, vae.guide, x)
    assert many == pytest.approx(one, rel=0.01)


@pytest.mark.parametrize(
    ("objective", "posterior", "said"),
    [
        ("tc:beta=2", "full", "a total correlation wants a guide that factorises over the latents: take the posterior"),
        ("tc:beta=2", "planar:2", "a total correlation wants a guide that factorises over the latents"),
        (
            "dip-i:off_diagonal=1",
            "iaf:1",
            "the DIP-VAE wants a posterior with means in closed form: take the posterior",
        ),
        ("dip-ii:off_diagonal=1", "spline:1", "the DIP-VAE wants a posterior with covariances in closed form"),
        ("beta:free_bits=0.1", "iaf:1", "free bits want"),
    ],
)
def test_an_objective_that_a_posterior_cannot_have_is_refused(
    objective: str, posterior: str, said: str, images: Dataset
) -> None:
    with pytest.raises(ValueError, match=said) as error:
        fit(small("normal", posterior), images, steps=1, objective=objective)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("prior", PRIORS_BY_NAME)
@pytest.mark.parametrize("objective", ["tc:beta=2", "dip-i:diagonal=1", "dip-ii:diagonal=1", "info", "factor:gamma=2"])
def test_aggregate_objectives_take_every_prior(objective: str, prior: str, images: Dataset) -> None:
    run = fit(small(prior, "diagonal"), images, steps=2, batch_size=18, objective=objective, compile=False, threads=1)
    assert run.history


@pytest.mark.parametrize("posterior", POSTERIORS_BY_NAME)
@pytest.mark.parametrize("objective", ["info", "factor:gamma=2", "capacity:gamma=2,capacity=1", "controlled:target=5"])
def test_objectives_of_draws_take_every_posterior(objective: str, posterior: str, images: Dataset) -> None:
    run = fit(small("mixture:3", posterior), images, steps=2, batch_size=18, objective=objective, compile=False)
    assert run.history


def test_dip_ii_has_the_covariance_of_a_full_posterior(x: Tensor) -> None:
    vae = small("normal", "full")
    q = vae.encode(x)
    _, model, guide = loss_and_traces(vae, x)
    covariance = DipII(off_diagonal=1.0).covariance(read(model, guide))
    draws = q.sample((100_000,)).flatten(0, 1)
    torch.testing.assert_close(covariance, draws.T.cov(correction=0), rtol=0.02, atol=0.02)


@pytest.mark.parametrize("prior", PRIORS_BY_NAME)
def test_the_rate_of_independent_normals_is_taken_apart_under_every_prior(prior: str, images: Dataset) -> None:
    parts = decompose_rate(small(prior, "diagonal"), images.images)
    total = parts.mutual_information + parts.total_correlation + parts.dimension_wise_kl
    assert total == pytest.approx(parts.rate, abs=1e-4)


@pytest.mark.parametrize("posterior", POSTERIORS_BY_NAME[1:])
def test_exact_information_is_refused_for_other_posteriors(posterior: str, images: Dataset) -> None:
    with pytest.raises(ValueError, match="exact information wants a guide of independent normals") as error:
        decompose_rate(small("normal", posterior), images.images)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("prior", "posterior"), [("mixture:3", "diagonal"), ("normal", "iaf:1")])
def test_active_units_are_those_whose_means_vary(prior: str, posterior: str, images: Dataset) -> None:
    vae = small(prior, posterior)
    with torch.no_grad():
        vae.encoder.loc.weight[1] = 0  # a latent with the same mean for all data
        vae.encoder.loc.weight[[0, 2]] *= 20
        for network in getattr(vae.posterior, "networks", ()):
            network.layers[-1].weight.zero_()
    assert evaluate(vae, images.images).active_units == 2
    assert evaluate(small("normal", "diagonal"), images.images).kl_per_latent is not None


@pytest.mark.parametrize("posterior", POSTERIORS_BY_NAME[1:])
def test_a_browser_gets_no_encoder_whose_mean_is_another(posterior: str) -> None:
    vae = small("vamp:3" if posterior == "full" else "mixture:3", posterior)
    assert pack_decoder(vae)
    with pytest.raises(UnpackableError, match="has another mean than the encoder returns"):
        pack_encoder(vae)


@pytest.mark.parametrize("posterior", POSTERIORS_BY_NAME)
def test_a_fit_in_double_precision(posterior: str, images: Dataset) -> None:
    prior = "mixture:3" if posterior.startswith("planar") else "vamp:4"
    run = fit(small(prior, posterior).double(), images, steps=2, batch_size=18, compile=False, threads=1)
    assert {parameter.dtype for parameter in run.model.parameters()} == {torch.float64}


def test_the_default_pair_has_the_weights_and_draws_of_before(images: Dataset) -> None:
    torch.manual_seed(0)
    plain = BetaVAE((1, 16, 16), 3, hidden=(8,))
    assert same_parameters(plain, small("normal", "diagonal"))
    assert [*plain.state_dict()] == [
        *[f"encoder.{name}.{kind}" for name in ("hidden.1", "loc", "log_variance") for kind in ("weight", "bias")],
        *[f"decoder.layers.{number}.{kind}" for number in (0, 2) for kind in ("weight", "bias")],
    ]


def test_a_config_of_before_means_the_default_pair(images: Dataset, tmp_path: Path) -> None:
    fit(small("normal", "diagonal"), images, steps=2, out=tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    del config["prior"], config["posterior"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    loaded = load_run(tmp_path)
    assert (loaded.config["prior"], loaded.config["posterior"]) == ("normal", "diagonal")
    fit(small("normal", "diagonal"), images, steps=3, out=tmp_path, resume=True)
    with pytest.raises(ValueError, match=r"prior is 'normal' in the run and 'laplace' here"):
        fit(small("laplace", "diagonal"), images, steps=4, out=tmp_path, resume=True)


def test_a_config_of_before_with_a_prior_of_ones_own_goes_on(images: Dataset, tmp_path: Path) -> None:
    def own(seed: int = 0) -> BetaVAE:
        p = small("laplace", "diagonal").prior
        torch.manual_seed(seed)
        return BetaVAE((1, 16, 16), 3, hidden=(8,), prior=p)

    fit(own(), images, steps=2, out=tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["prior"] == "custom"
    del config["prior"], config["posterior"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert fit(own(3), images, steps=3, out=tmp_path, resume=True).step == 3
    assert load_run(tmp_path, model=own(4)).step == 3


def test_a_run_of_the_command_line_is_fitted_resumed_and_evaluated(cli: Cli, here: Path) -> None:
    words = ["--prior", "vamp:3", "--posterior", "iaf:1", "--hidden", "8", "--latent-dim", "3", "--threads", "1"]
    result = cli("fit", "--steps", 2, "--out", "run", *words)
    assert result.exit_code == 0, result.output
    assert "bernoulli likelihood, vamp:3 prior, iaf:1 posterior, mlp" in result.output
    pyro.clear_param_store()
    result = cli("fit", "--steps", 3, "--out", "run", "--resume", *words)
    assert result.exit_code == 0, result.output
    result = cli("evaluate", "run", "--json")
    assert result.exit_code == 0, result.output
    run = load_run(here / "run")
    assert run.model.prior.inputs().std() > 0.2  # of the digits, not of noise
    assert (run.config["prior"], run.config["posterior"]) == ("vamp:3", "iaf:1")
    result = cli("fit", "--steps", 4, "--out", "run", "--resume", "--prior", "normal", *words[2:])
    assert result.exit_code != 0
    assert "prior is vamp:3 in the run and normal here" in result.output.replace("'", "")


def test_priors_are_compared_from_the_command_line(cli: Cli, here: Path) -> None:
    result = cli(
        "compare", "--prior", "normal", "--prior", "vamp:3", "--posterior", "full", "--steps", 2, "--hidden", "8",
        "--latent-dim", "3", "--out", "compared", "--jobs", 1, "--threads", 1,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "its s.e." in result.output
    of_priors = {row["prior"]: row["rate_standard_error"] for row in results(here / "compared")}
    assert of_priors["normal"] is None  # in closed form
    assert of_priors["vamp:3"] > 0


def test_a_mistake_of_the_command_line_is_one_line(cli: Cli, here: Path) -> None:
    for words, said in (
        (["--prior", "mixture"], "the prior mixture:K wants a number from 1 to 10,000, like mixture:4, got 'mixture'"),
        (["--posterior", "iaf:0"], "the posterior iaf:N wants a number"),
        (["--prior", "vamp:3", "--posterior", "planar:2"], "a VampPrior wants the posterior's density"),
    ):
        result = cli("fit", "--steps", 1, *words)
        assert result.exit_code != 0
        assert said in result.output
        assert "Traceback" not in result.output
