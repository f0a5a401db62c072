"""Programs of other people: a family of models whose compiled steps have to be their eager ones, and as fast."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pyro.distributions as dist
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from pyro_bvae import BetaVAE
from pyro_bvae.networks import MLPDecoder, MLPEncoder

__all__ = ["FAMILY", "SHAPE", "Layers", "Vamp"]

SHAPE, DIM, WIDTH = (1, 16, 16), 3, 20


class Layers(nn.Module):
    """An encoder of any layers to ``WIDTH`` features, with its two heads."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)
        self.loc, self.log_variance = nn.Linear(WIDTH, DIM), nn.Linear(WIDTH, DIM)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = self.layers(x)
        return self.loc(h), self.log_variance(h)


def dense(*widths: int) -> list[nn.Module]:
    return [nn.Flatten(), *(layer for pair in pairwise(widths) for layer in (nn.Linear(*pair), nn.Tanh()))]


class Vamp(nn.Module):
    """A mixture of the posteriors of pseudo-data: the prior shares the encoder."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder, self.pseudo = encoder, nn.Parameter(torch.randn(5, *SHAPE))

    def forward(self) -> dist.TorchDistribution:
        loc, log_variance = self.encoder(self.pseudo.sigmoid())
        components = dist.Normal(loc, (log_variance / 2).exp()).to_event(1)
        return dist.MixtureSameFamily(dist.Categorical(logits=loc.new_zeros(5)), components)


def vamp() -> BetaVAE:
    encoder = MLPEncoder(SHAPE, DIM, (WIDTH,))
    return BetaVAE(SHAPE, DIM, encoder=encoder, prior=Vamp(encoder), hidden=(WIDTH,))


def one_layer_twice() -> BetaVAE:
    layer = nn.Linear(WIDTH, WIDTH)
    return BetaVAE(SHAPE, DIM, encoder=Layers(*dense(256, WIDTH), layer, nn.Tanh(), layer), hidden=(WIDTH,))


def one_parameter_two_names() -> BetaVAE:
    vae = BetaVAE(SHAPE, DIM, hidden=(WIDTH,))
    vae.encoder.log_variance.weight = vae.encoder.loc.weight
    vae.decoder.spare = vae.encoder.loc.weight
    return vae


class TransposedDecoder(nn.Module):
    """A decoder with the encoder's weights, transposed."""

    def __init__(self, encoder: MLPEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, z: Tensor) -> Tensor:
        h = torch.tanh(z @ self.encoder.loc.weight)
        return (h @ self.encoder.hidden[1].weight).unflatten(1, SHAPE)


def tied_and_transposed() -> BetaVAE:
    encoder = MLPEncoder(SHAPE, DIM, (WIDTH,))
    return BetaVAE(SHAPE, DIM, encoder=encoder, decoder=TransposedDecoder(encoder))


def shared_memory() -> BetaVAE:
    """Two parameters, one of them a view of the other."""
    vae = BetaVAE(SHAPE, DIM, hidden=(WIDTH,))
    vae.decoder.layers[0].weight = nn.Parameter(vae.encoder.loc.weight.detach().t())
    return vae


class Listed(MLPEncoder):
    """It takes its weights from a list of its own."""

    def __init__(self) -> None:
        super().__init__(SHAPE, DIM, (WIDTH,))
        self.mine = list(self.parameters())

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        weight, bias, *heads = self.mine
        h = torch.tanh(x.flatten(1) @ weight.t() + bias)
        return h @ heads[0].t() + heads[1], h @ heads[2].t() + heads[3]


class Conditional(BetaVAE):
    """Encoder and decoder see, beside x and z, the mean of each half of the image; both read slices of one tensor."""

    def __init__(self, width: int = WIDTH) -> None:
        super().__init__(SHAPE, DIM, encoder=MLPEncoder((258,), DIM, (width,)), decoder=MLPDecoder(5, SHAPE, (width,)))

    def encode(self, x: Tensor) -> dist.TorchDistribution:
        halves = x.flatten(1).unflatten(1, (2, -1)).mean(-1)
        self.label = halves.detach()
        loc, log_variance = self.encoder(torch.cat([x.flatten(1), halves], dim=1))
        return dist.Normal(loc, (log_variance / 2).exp()).to_event(1)

    def decode(self, z: Tensor) -> dist.TorchDistribution:
        label = self.label if len(self.label) == len(z) else z.new_zeros(len(z), 2)
        return self.likelihood(self.decoder(torch.cat([z, label], dim=1)))

    @property
    def label(self) -> Tensor:
        return self.__dict__.get("now", torch.zeros(1, 2))

    @label.setter
    def label(self, label: Tensor) -> None:
        self.__dict__["now"] = label


class Sliced(nn.Module):
    """A module of a part of its input: so many of its features from one on, with some steps between."""

    def __init__(self, start: int, stop: int, step: int = 1) -> None:
        super().__init__()
        self.which = slice(start, stop, step)

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1)[:, self.which]


class Expanded(nn.Module):
    """One mean pixel, expanded to as many."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1).mean(1, keepdim=True).expand(-1, 256)


class Counting(nn.Module):
    """A layer that keeps a running mean in place, and a count that it assigns anew."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(WIDTH))
        self.register_buffer("count", torch.zeros(()))

    def forward(self, h: Tensor) -> Tensor:
        if self.training:
            self.count = self.count + 1
            self.mean.lerp_(h.detach().mean(0), 0.1)
        return (h - self.mean) * (1 + 1 / (1 + self.count))


def frozen() -> BetaVAE:
    vae = BetaVAE(SHAPE, DIM, hidden=(WIDTH,))
    vae.decoder.layers[0].requires_grad_(False)
    return vae


def unused() -> BetaVAE:
    vae = BetaVAE(SHAPE, DIM, hidden=(WIDTH,))
    vae.decoder.spare = nn.Linear(3, 3)
    return vae


def normed(norm: Callable[[nn.Module], nn.Module]) -> BetaVAE:
    return with_encoder(nn.Flatten(), norm(nn.Linear(256, WIDTH)), nn.Tanh())


def with_encoder(*layers: nn.Module) -> BetaVAE:
    return BetaVAE(SHAPE, DIM, encoder=Layers(*layers), hidden=(WIDTH,))


def channels_last() -> BetaVAE:
    return BetaVAE(SHAPE, DIM, network="conv", hidden=(WIDTH,)).to(memory_format=torch.channels_last)


def transposed_weights() -> BetaVAE:
    vae = BetaVAE(SHAPE, DIM, hidden=(WIDTH,))
    layer = vae.encoder.hidden[1]
    layer.weight = nn.Parameter(layer.weight.detach().t().contiguous().t())
    return vae


def convolutions(*more: nn.Module) -> BetaVAE:
    return with_encoder(nn.Conv2d(1, 6, 4, 2, 1, bias=False), *more, nn.Tanh(), nn.Flatten(), nn.Linear(384, WIDTH))


FAMILY: dict[str, Callable[[], BetaVAE]] = {
    "a prior that shares the encoder": vamp,
    "a layer in a list twice": one_layer_twice,
    "a parameter of two names": one_parameter_two_names,
    "tied and transposed": tied_and_transposed,
    "parameters that share memory": shared_memory,
    "parameters in a list": lambda: BetaVAE(SHAPE, DIM, encoder=Listed(), hidden=(WIDTH,)),
    "a label beside x and z": Conditional,
    "a slice of the data": lambda: with_encoder(Sliced(0, 200), *dense(200, WIDTH)),
    "later features": lambda: with_encoder(Sliced(56, 256), *dense(200, WIDTH)),
    "every second feature": lambda: with_encoder(Sliced(0, 256, 2), *dense(128, WIDTH)),
    "one feature": lambda: with_encoder(Sliced(0, 1), *dense(1, WIDTH)),
    "expanded data": lambda: with_encoder(Expanded(), *dense(256, WIDTH)),
    "counts": lambda: with_encoder(*dense(256, WIDTH), Counting()),
    "batch norm": lambda: with_encoder(*dense(256, WIDTH), nn.BatchNorm1d(WIDTH)),
    "batch norm of images": lambda: convolutions(nn.BatchNorm2d(6)),
    "group norm of images": lambda: convolutions(nn.GroupNorm(2, 6)),
    "dropout": lambda: with_encoder(*dense(256, WIDTH), nn.Dropout(0.3)),
    "frozen": frozen,
    "unused": unused,
    "weight norm": lambda: normed(parametrizations.weight_norm),
    "spectral norm": lambda: normed(parametrizations.spectral_norm),
    "orthogonal": lambda: normed(parametrizations.orthogonal),
    "channels last": channels_last,
    "transposed weights": transposed_weights,
}
