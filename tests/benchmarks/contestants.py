"""The same VAE trained by each of several programs: 784-400-K, ReLU, Bernoulli, RMSprop 1e-3, batches of B.

A contestant is a function of the number of steps to take; it goes on where it stopped.
"""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
import pyro
import torch
from pyro.infer import SVI, Trace_ELBO, TraceMeanField_ELBO
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from pyro_bvae import BetaVAE
from pyro_bvae.compiled.step import inductor
from pyro_bvae.datasets import Dataset, pixels
from pyro_bvae.settings.training import TrainingSettings
from pyro_bvae.training.minibatches import Minibatches
from pyro_bvae.training.state import Training

__all__ = ["CONTESTANTS", "numpyro", "ours", "plain_networks"]

Steps = Callable[[int], None]
LR = 1e-3


def ours(
    data: Dataset,
    batch: int,
    latents: int,
    device: torch.device,
    compiles: bool,
    precision: str,
    network: str = "mlp",
    hidden: int | None = None,
) -> Steps:
    """`fit`'s own loop."""
    torch.manual_seed(0)
    vae = BetaVAE(data.shape, latents, network=network, hidden=hidden and [hidden]).to(device)
    settings = TrainingSettings(batch_size=batch, precision=precision)
    training = Training(vae, data, settings, TraceMeanField_ELBO())
    if compiles:
        compiled_step = training.compile(inductor)
    if compiles and device.type == "cuda":
        training.replay(compiled_step)

    def take(steps: int) -> None:
        with pyro.validation_enabled(False), pyro.get_param_store().scope():
            for _ in range(steps):
                training.advance()
        training.settle()

    return take


def svi(data: Dataset, batch: int, latents: int, device: torch.device) -> Steps:
    """Pyro as its tutorials use it, with batches in memory."""
    vae = BetaVAE(data.shape, latents).to(device)
    step = SVI(vae.model, vae.guide, pyro.optim.RMSprop({"lr": LR}), Trace_ELBO()).step
    return _over_batches(data, batch, device, step)


def plain_torch(data: Dataset, batch: int, latents: int, device: torch.device) -> Steps:
    """PyTorch without Pyro, with batches in memory."""
    return _over_batches(data, batch, device, _torch_step(Plain(latents).to(device)))


def plain_networks(data: Dataset, batch: int, latents: int, network: str) -> Steps:
    """PyTorch without Pyro on the networks of this package, on the CPU."""
    step = _torch_step(Pair(BetaVAE(data.shape, latents, network=network)))
    return _over_batches(data, batch, torch.device("cpu"), step)


def with_dataloader(data: Dataset, batch: int, latents: int, device: torch.device) -> Steps:
    """PyTorch's own VAE example: a DataLoader that turns one picture after the other into a tensor."""
    from PIL import Image
    from torchvision.transforms.functional import to_tensor

    class Pictures(torch.utils.data.Dataset):
        def __len__(self) -> int:
            return len(data.train)

        def __getitem__(self, index: int) -> Tensor:
            return to_tensor(Image.fromarray(data.images[index, 0].numpy()))

    loader = torch.utils.data.DataLoader(Pictures(), batch_size=batch, shuffle=True)
    batches = _endless(loader)
    step = _torch_step(Plain(latents).to(device))

    def take(steps: int) -> None:
        for _ in range(steps):
            step(next(batches).to(device))

    return take


def numpyro(
    data: Dataset, batch: int, latents: int, device: torch.device, hidden: int = 400, in_scan: bool = True
) -> Steps:
    """NumPyro on JAX's own device: all steps inside one `lax.scan`, or a call and a look at the loss for each."""
    import jax
    from jax import numpy as jnp
    from numpyro import infer, optim

    images = jnp.asarray(data.images[data.train].flatten(1).numpy())
    pixels_of_one, random = images.shape[1], np.random.default_rng(0)
    programs = _numpyro_programs(latents, pixels_of_one, hidden)
    svi = infer.SVI(*programs, optim.RMSProp(LR), infer.TraceMeanField_ELBO())

    def one(state: Any, index: Any) -> Any:
        return svi.update(state, images[index].astype(jnp.float32) / 255)

    scan = jax.jit(lambda state, indices: jax.lax.scan(one, state, indices))
    state = svi.init(jax.random.PRNGKey(0), images[:batch].astype(jnp.float32) / 255)
    update = jax.jit(one)

    def take(steps: int) -> None:
        nonlocal state
        state, losses = scan(state, jnp.asarray(random.integers(0, len(images), (steps, batch))))
        losses.block_until_ready()

    def take_singly(steps: int) -> None:
        nonlocal state
        for index in random.integers(0, len(images), (steps, batch)):
            state, loss = update(state, index)
            loss.item()

    return take if in_scan else take_singly


def _numpyro_programs(latents: int, inputs: int, hidden: int) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    import jax
    import numpyro as npr
    from jax import numpy as jnp
    from numpyro import distributions as dist

    def dense(name: str, x: Any, inputs: int, outputs: int) -> Any:
        bound = inputs**-0.5
        start = jax.random.uniform(jax.random.PRNGKey(outputs), (inputs, outputs), minval=-bound, maxval=bound)
        return x @ npr.param(f"{name}.weight", start) + npr.param(f"{name}.bias", jnp.zeros(outputs))

    def model(x: Any) -> None:
        with npr.plate("batch", len(x)):
            z = npr.sample("z", dist.Normal(0.0, 1.0).expand([latents]).to_event(1))
            logits = dense("out", jax.nn.relu(dense("decoder", z, latents, hidden)), hidden, inputs)
            npr.sample("x", dist.Bernoulli(logits=logits, validate_args=False).to_event(1), obs=x)

    def guide(x: Any) -> None:
        h = jax.nn.relu(dense("encoder", x, inputs, hidden))
        loc, log_variance = dense("loc", h, hidden, latents), dense("log_variance", h, hidden, latents)
        with npr.plate("batch", len(x)):
            npr.sample("z", dist.Normal(loc, jnp.exp(0.5 * log_variance)).to_event(1))

    return model, guide


def pythae(data: Dataset, batch: int, latents: int, device: torch.device) -> Steps:
    """pythae's trainer, an epoch of as many images as the steps need."""
    from pythae.data.datasets import BaseDataset
    from pythae.models import VAE, VAEConfig
    from pythae.trainers import BaseTrainer, BaseTrainerConfig

    logging.disable(logging.WARNING)
    options = {"num_epochs": 1, "per_device_train_batch_size": batch, "learning_rate": LR, "optimizer_cls": "RMSprop"}
    config = VAEConfig(input_dim=(1, 28, 28), latent_dim=latents, reconstruction_loss="bce")
    model = VAE(config, *_pythae_networks(latents))

    @cache
    def trainer(steps: int) -> Any:
        images = pixels(data.images[data.train[: steps * batch]])
        training = BaseTrainerConfig(output_dir=tempfile.mkdtemp(), no_cuda=device.type == "cpu", **options)
        made = BaseTrainer(model, BaseDataset(images, torch.zeros(len(images))), training_config=training)
        made.prepare_training()
        return made

    def take(steps: int) -> None:
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):
            trainer(steps).train_step(1)

    return take


def _pythae_networks(latents: int) -> tuple[nn.Module, nn.Module]:
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder

    parts = Plain(latents)

    class Encoder(BaseEncoder):
        def __init__(self) -> None:
            super().__init__()
            self.hidden, self.loc, self.log_variance = parts.hidden, parts.loc, parts.log_variance

        def forward(self, x: Tensor) -> Any:
            h = self.hidden(x.flatten(1)).relu()
            return ModelOutput(embedding=self.loc(h), log_covariance=self.log_variance(h))

    class Decoder(BaseDecoder):
        def __init__(self) -> None:
            super().__init__()
            self.layers = parts.decoder

        def forward(self, z: Tensor) -> Any:
            return ModelOutput(reconstruction=self.layers(z).sigmoid().unflatten(1, (1, 28, 28)))

    return Encoder(), Decoder()


class Plain(nn.Module):
    """784-400-K and back."""

    def __init__(self, latents: int) -> None:
        super().__init__()
        self.hidden, self.loc, self.log_variance = nn.Linear(784, 400), nn.Linear(400, latents), nn.Linear(400, latents)
        self.decoder = nn.Sequential(nn.Linear(latents, 400), nn.ReLU(), nn.Linear(400, 784))

    def forward(self, x: Tensor) -> Tensor:
        """The loss of a batch, in nats an image."""
        x = x.flatten(1)
        h = self.hidden(x).relu()
        return _loss(x, self.loc(h), self.log_variance(h), self.decoder)


class Pair(nn.Module):
    """An encoder and a decoder of this package, in plain PyTorch."""

    def __init__(self, vae: BetaVAE) -> None:
        super().__init__()
        self.encoder, self.decoder = vae.encoder, vae.decoder

    def forward(self, x: Tensor) -> Tensor:
        """The loss of a batch, in nats an image."""
        return _loss(x, *self.encoder(x), self.decoder)


def _loss(x: Tensor, loc: Tensor, log_variance: Tensor, decoder: nn.Module) -> Tensor:
    logits = decoder(loc + torch.randn_like(loc) * (0.5 * log_variance).exp())
    rate = -0.5 * (1 + log_variance - loc.square() - log_variance.exp()).sum()
    return (binary_cross_entropy_with_logits(logits, x, reduction="sum") + rate) / len(x)


def _torch_step(model: nn.Module) -> Callable[[Tensor], Any]:
    optimizer = torch.optim.RMSprop(model.parameters(), lr=LR)

    def step(x: Tensor) -> float:
        optimizer.zero_grad()
        loss = model(x)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def _over_batches(data: Dataset, batch: int, device: torch.device, step: Callable[[Tensor], Any]) -> Steps:
    minibatches, position = Minibatches(data, batch, 0, device), 0

    def take(steps: int) -> None:
        nonlocal position
        for _ in range(steps):
            step(minibatches.batch(position)[0])
            position += 1

    return take


def _endless(loader: torch.utils.data.DataLoader[Tensor]) -> Iterator[Tensor]:
    while True:
        yield from loader


CONTESTANTS: dict[str, Callable[[Dataset, int, int, torch.device], Steps]] = {
    "pyro_bvae compiled, fp32": lambda *options: ours(*options, True, "fp32"),
    "pyro_bvae compiled, bf16": lambda *options: ours(*options, True, "bf16"),
    "pyro_bvae eager": lambda *options: ours(*options, False, "fp32"),
    "SVI.step": svi,
    "PyTorch, in memory": plain_torch,
    "PyTorch, DataLoader": with_dataloader,
    "NumPyro, lax.scan": numpyro,
    "pythae": pythae,
}
