"""Disentanglement as numbers: codes N×K and ground-truth factors N×F to a score, one metric a file.

| metric | asks | needs |
|---|---|---|
| `beta_vae_score` | which factor do pairs share? (two protocols) | to draw data by factor |
| `factor_vae_score` | which latent rests when a factor does? | to draw data by factor |
| `mig`, `sap` | is each factor in one latent alone? by information, by accuracy | arrays |
| `modularity` | does each latent know one factor alone? | arrays |
| `dci` | both, and how much is known, by boosted trees | arrays |
| `explicitness` | how much is known, linearly? | arrays |
| `irs` | does a latent rest while all other factors change? | arrays, or to draw data |
| `udr` | do other seeds find the same latents? | several runs, no factors |
| `total_correlation`, `active_units_variance` | are latents independent, are they used? | codes alone |

>>> import numpy as np
>>> factors = np.stack(np.meshgrid(range(3), range(4), indexing="ij"), axis=-1).reshape(-1, 2)
>>> mig(factors, factors), mig(factors @ [[1, 1], [1, -1]], factors) < 0.2
(1.0, True)
"""

from __future__ import annotations

from .active_units import active_units_variance
from .beta_vae import PROTOCOLS, Protocol, beta_vae_score
from .dci import DCI, dci
from .explicitness import explicitness
from .factor_vae import factor_vae_score
from .information import mutual_information
from .irs import irs
from .mig import mig
from .modularity import modularity
from .sampling import FactorSampler
from .sap import sap
from .total_correlation import total_correlation
from .udr import udr

__all__ = [
    "DCI",
    "PROTOCOLS",
    "FactorSampler",
    "Protocol",
    "active_units_variance",
    "beta_vae_score",
    "dci",
    "explicitness",
    "factor_vae_score",
    "irs",
    "mig",
    "modularity",
    "mutual_information",
    "sap",
    "total_correlation",
    "udr",
]
