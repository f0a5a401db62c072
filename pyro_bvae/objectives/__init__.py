"""What is minimised: the β-VAE's own objective and those of its successors, each a Pyro ELBO.

>>> from pyro.infer import SVI
>>> from pyro.optim import Adam
>>> import torch
>>> from pyro_bvae import BetaVAE
>>> vae = BetaVAE((1, 8, 8), latent_dim=2)
>>> svi = SVI(vae.model, vae.guide, Adam({"lr": 1e-3}), Capacity(gamma=100.0, capacity=5.0))
>>> svi.step(torch.rand(4, 1, 8, 8)) > 0
True
"""

from __future__ import annotations

from .beta import Beta
from .capacity import Capacity
from .controlled import Controlled, RateController
from .dip import DipI, DipII
from .factor import Factor
from .info import Info
from .regularised import PerImage, Regularised, Sites, read
from .total_correlation import TotalCorrelation

__all__ = [
    "OBJECTIVES",
    "Beta",
    "Capacity",
    "Controlled",
    "DipI",
    "DipII",
    "Factor",
    "Info",
    "PerImage",
    "RateController",
    "Regularised",
    "Sites",
    "TotalCorrelation",
    "read",
]

OBJECTIVES: dict[str, type[Regularised]] = {
    "beta": Beta,
    "capacity": Capacity,
    "tc": TotalCorrelation,
    "factor": Factor,
    "dip-i": DipI,
    "dip-ii": DipII,
    "info": Info,
    "controlled": Controlled,
}
