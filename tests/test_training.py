"""`fit` is plain SVI, to the last bit, and can be stopped and resumed anywhere."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pyro
import pytest
import torch
from conftest import new_vae, same_parameters
from pyro import poutine
from pyro.infer import SVI, Trace_ELBO, TraceMeanField_ELBO
from sklearn.decomposition import PCA
from torch import Tensor

from pyro_bvae import BetaVAE, Callback, fit, load_run
from pyro_bvae.datasets import Dataset, pixels
from pyro_bvae.likelihoods import LIKELIHOODS
from pyro_bvae.schedules import LinearWarmup
from pyro_bvae.settings.training import TrainingSettings
from pyro_bvae.terms import mean_terms
from pyro_bvae.training.devices import resolve_device
from pyro_bvae.training.minibatches import Minibatches
from pyro_bvae.training.state import OPTIMIZERS, Training


@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_steps_equal_those_of_svi(name: str, images: Dataset) -> None:
    ours, theirs = new_vae(), new_vae()
    fit(ours, images, steps=3, batch_size=18, optimizer=name, lr=1e-3, seed=5, elbo=TraceMeanField_ELBO())
    training = Training(theirs, images, TrainingSettings(batch_size=18, steps=3, seed=5), TraceMeanField_ELBO())
    batches = [training.minibatches.batch(step)[0] for step in range(3)]
    per_image = [poutine.scale(program, scale=1 / 18) for program in (theirs.model, theirs.guide)]
    optimizer = pyro.optim.PyroOptim(OPTIMIZERS[name], {"lr": 1e-3})
    svi = SVI(*per_image, optimizer, TraceMeanField_ELBO())
    torch.manual_seed(5)
    for x in batches:
        svi.step(x)
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def test_every_image_is_seen_once_an_epoch_and_the_last_short_batch_is_kept(images: Dataset) -> None:
    training = Training(new_vae(), images, TrainingSettings(batch_size=16), TraceMeanField_ELBO())
    assert training.steps_per_epoch == 4  # 54 training images
    for epoch in range(3):
        seen = torch.cat([training.minibatches.batch(4 * epoch + step)[0] for step in range(4)])
        assert len(seen) == 54
        expected = pixels(images.images[images.train])
        assert torch.equal(seen.flatten(1).sort(0).values, expected.flatten(1).sort(0).values)


def test_mnist_takes_469_steps_an_epoch() -> None:
    mnist = Dataset("zeros", torch.zeros(70_000, 1), train=torch.arange(60_000), held_out=torch.arange(60_000, 70_000))
    per_epoch = Minibatches(mnist, 128, 0, torch.device("cpu")).per_epoch
    assert (per_epoch, TrainingSettings().total(per_epoch)) == (469, 46_900)


def test_epochs_differ_in_order_and_seeds_too(images: Dataset) -> None:
    def order(seed: int, step: int) -> Tensor:
        return Training(new_vae(), images, TrainingSettings(batch_size=54, seed=seed), Trace_ELBO()).minibatches.batch(
            step
        )[0]

    assert torch.equal(order(0, 0), order(0, 0))
    assert not torch.equal(order(0, 0), order(0, 1))
    assert not torch.equal(order(0, 0), order(1, 0))


def test_two_fits_in_one_process_do_not_see_each_other(images: Dataset) -> None:
    alone = fit(new_vae(), images, steps=6)
    first, second = new_vae(), new_vae()

    class AnotherFitInTheMiddle(Callback):
        def on_step(self, training: Training) -> None:
            if training.step == 3:
                fit(second, images, steps=6)

    fit(first, images, steps=6, callbacks=[AnotherFitInTheMiddle()])
    assert same_parameters(alone.model, first)
    assert same_parameters(alone.model, second)


def test_fit_leaves_the_global_generator_and_store_alone(images: Dataset) -> None:
    pyro.param("mine", torch.ones(2))
    state = torch.get_rng_state()
    vae = new_vae()
    torch.set_rng_state(state)
    fit(vae, images, steps=2)
    assert torch.equal(torch.get_rng_state(), state)
    assert list(pyro.get_param_store().keys()) == ["mine"]


def test_how_often_one_looks_does_not_change_what_is_learnt(images: Dataset, tmp_path: Path) -> None:
    seldom = fit(new_vae(), images, steps=6, batch_size=16)
    often = fit(new_vae(), images, steps=6, batch_size=16, eval_every=1, checkpoint_every=1, out=tmp_path / "run")
    assert same_parameters(seldom.model, often.model)
    assert [record["step"] for record in often.history] == [1, 2, 3, 4, 5, 6]


def test_a_line_of_history_is_the_mean_over_its_interval(images: Dataset) -> None:
    steps = fit(new_vae(), images, steps=4, batch_size=16, eval_every=1).history
    (whole,) = fit(new_vae(), images, steps=4, batch_size=16).history
    sizes = [16, 16, 16, 6]
    for term in ("loss", "distortion", "rate"):
        mean = sum(size * record[term] for size, record in zip(sizes, steps, strict=True)) / sum(sizes)
        assert whole[term] == pytest.approx(mean, rel=1e-6)
    assert whole["loss"] == pytest.approx(whole["distortion"] + 4 * whole["rate"], rel=1e-6)
    assert whole["rate"] == pytest.approx(sum(whole["kl_per_latent"]), rel=1e-6)


def test_held_out_terms_are_those_of_the_held_out_images(images: Dataset) -> None:
    run = fit(new_vae(), images, steps=4)
    means = mean_terms(run.model, images.images[images.held_out])
    assert run.history[-1]["held_out_elbo"] == means.elbo
    assert run.history[-1]["held_out_kl_per_latent"] == means.kl_per_latent


def test_a_plain_autoencoder_trains_and_a_warm_up_from_zero_too(images: Dataset) -> None:
    plain = new_vae()
    plain.beta = 0.0
    history = fit(plain, images, steps=40, eval_every=10).history
    assert history[-1]["loss"] == history[-1]["distortion"] < history[0]["distortion"]

    class WarmUp(Callback):
        def on_step(self, training: Training) -> None:
            training.vae.beta = LinearWarmup(4.0, steps=5)(training.step)

    warm = new_vae()
    warm.beta = 0.0
    fit(warm, images, steps=8, callbacks=[WarmUp()])
    assert warm.beta == 4.0


def test_warm_up_of_the_learning_rate_ends_at_the_learning_rate(images: Dataset) -> None:
    seen = []

    class Look(Callback):
        def on_step(self, training: Training) -> None:
            seen.append(training.optimizer.param_groups[0]["lr"])

    fit(new_vae(), images, steps=6, lr=0.04, lr_warmup=4, callbacks=[Look()])
    assert seen == pytest.approx([0.01, 0.02, 0.03, 0.04, 0.04, 0.04])


@pytest.mark.parametrize("likelihood", list(LIKELIHOODS))
@pytest.mark.parametrize("network", ["mlp", "conv"])
def test_every_likelihood_learns_with_every_network(likelihood: str, network: str) -> None:
    ramp = torch.linspace(0, 1, 16).expand(40, 1, 16, 16)
    data = Dataset("ramps", (ramp * torch.linspace(0.2, 1, 40)[:, None, None, None]).contiguous())
    vae = BetaVAE(data.shape, 2, network=network, hidden=(32,), likelihood=likelihood)
    history = fit(vae, data, steps=60, eval_every=10, lr=3e-3).history
    assert history[-1]["loss"] < history[0]["loss"]


def test_a_linear_gaussian_vae_reaches_the_likelihood_of_probabilistic_pca() -> None:
    generator = torch.Generator().manual_seed(0)
    signal = torch.randn(1000, 2, generator=generator) @ torch.randn(2, 6, generator=generator)
    x = signal + 0.4 * torch.randn(1000, 6, generator=generator) + 1.0
    everything = torch.arange(1000)
    data = Dataset("linear", x, train=everything, held_out=everything)
    vae = BetaVAE((6,), 2, hidden=(), likelihood="gaussian-learned")
    fit(vae, data, steps=1200, batch_size=500, optimizer="adam", lr=1e-2)
    fit(vae, data, steps=400, batch_size=1000, optimizer="adam", lr=1e-3, seed=1)
    elbo = sum(mean_terms(vae, x, seed=seed).elbo for seed in range(40)) / 40
    assert elbo == pytest.approx(PCA(2).fit(x.numpy()).score(x.numpy()), abs=0.05)


def test_fit_works_outside_the_main_thread(images: Dataset) -> None:
    runs = []
    thread = threading.Thread(target=lambda: runs.append(fit(new_vae(), images, steps=3)))
    thread.start()
    thread.join()
    assert runs[0].step == 3


def test_a_batch_larger_than_the_data_is_cut(images: Dataset) -> None:
    run = fit(new_vae(), images, epochs=3, batch_size=1000)
    assert (run.step, run.history[-1]["epoch"]) == (3, 3.0)


def test_a_mistake_in_the_programs_leaves_the_old_run_alone(images: Dataset, tmp_path: Path) -> None:
    class Broken(BetaVAE):
        def encode(self, x: Tensor) -> torch.distributions.Distribution:  # noqa: ARG002
            raise RuntimeError("no such layer")

    fit(new_vae(), images, steps=2, out=tmp_path)
    with pytest.raises(RuntimeError, match="no such layer"):
        fit(Broken((1, 16, 16), 3), images, steps=2, out=tmp_path, overwrite=True)
    assert load_run(tmp_path).step == 2


def test_numbers_of_numpy_are_numbers(images: Dataset, tmp_path: Path) -> None:
    vae = BetaVAE((1, 16, 16), np.int64(3), hidden=[np.int64(5)])
    assert fit(vae, images, steps=np.int64(2), seed=np.int64(3), out=tmp_path).step == 2
    assert load_run(tmp_path).config["seed"] == 3


def test_the_digits_of_beta_survive(images: Dataset, tmp_path: Path) -> None:
    for number, beta in enumerate((1 / 3, 0.1, 6.0, 1e-8, 123456.789)):
        vae = BetaVAE((1, 16, 16), 3, beta=beta)
        fit(vae, images, steps=1, out=tmp_path / str(number))
        again = BetaVAE((1, 16, 16), 3, beta=load_run(tmp_path / str(number)).config["beta"])
        assert torch.equal(again.beta, vae.beta)
        assert len(repr(vae.beta_value)) <= 12


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"lr": 0.0}, "lr must be at least 1e-12 and at most 1e[+]06, got 0.0"),
        ({"lr": float("nan")}, "lr must be at least 1e-12"),
        ({"batch_size": 0}, "batch_size must be at least 1 and at most 999,999,999, got 0"),
        ({"epochs": 0}, "epochs must be at least 1"),
        ({"steps": -1}, "steps must be at least 1"),
        ({"epochs": 1, "steps": 1}, "give epochs or steps, not both"),
        ({"seed": -1}, "seed must be at least 0"),
        ({"keep": "most"}, "keep is a number of checkpoints or 'all', got 'most'"),
        ({"optimizer": "adm"}, "unknown optimizer 'adm': did you mean 'adam'"),
        ({"device": "tpu"}, "unknown device 'tpu'"),
        ({"resume": True}, "want a run folder: give out"),
    ],
)
def test_wrong_settings_are_refused(setting: dict[str, Any], message: str, images: Dataset) -> None:
    with pytest.raises(ValueError, match=message):
        fit(new_vae(), images, **setting)


def test_auto_takes_cuda_where_there_is_one() -> None:
    assert resolve_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
def test_fit_stays_on_the_gpu_and_agrees_with_the_cpu(images: Dataset, tmp_path: Path) -> None:
    on_gpu = fit(new_vae(), images, steps=20, device="cuda", out=tmp_path / "run")
    on_cpu = fit(new_vae(), images, steps=20, device="cpu")
    assert all(parameter.is_cuda for parameter in on_gpu.model.parameters())
    assert on_gpu.history[-1]["loss"] == pytest.approx(on_cpu.history[-1]["loss"], rel=0.05)
    assert load_run(tmp_path / "run").model.beta.device.type == "cpu"
