"""Scores of disentanglement: from codes N×K and ground-truth factors N×F to a number, one metric a file.

| metric | question | takes |
|---|---|---|
| `beta_vae_score` | can a linear classifier say which factor pairs share? (two protocols) | codes or an encoder |
| `factor_vae_score` | does the latent that varies least say which factor is held fixed? | codes or an encoder |
| `mig`, `sap` | is each factor encoded in one latent only? by information, by accuracy | codes |
| `mig_chen` | the same by information, of draws of z over the whole aggregate posterior | means and deviations |
| `mig_sup` | does each latent encode one factor only? by information | codes |
| `modularity` | does each latent encode one factor only? | codes |
| `dci` | both, and how well do boosted trees predict the factors? | codes |
| `explicitness` | how well does a linear classifier predict the factors? | codes |
| `infomec` | modularity, explicitness and compactness, by nearest neighbours and information | codes |
| `dci_es` | how large a probe does it take to read the factors off the code? | codes |
| `one_to_one` | is each factor a one-to-one function of its latent, or does the code fold over? | codes |
| `irs` | does a latent stay the same while all factors but one change? | codes or an encoder |
| `udr` | do runs of other seeds learn the same latents? | codes of several runs, no factors |
| `total_correlation`, `wasserstein_correlation` | are latents uncorrelated? | codes, no factors |
| `mutual_information_score` | do latents tell of one another? | codes, no factors |
| `active_units_variance` | are latents used? | codes, no factors |

>>> import numpy as np
>>> factors = np.stack(np.meshgrid(range(3), range(4), indexing="ij"), axis=-1).reshape(-1, 2)
>>> mig(factors, factors), mig(factors @ [[1, 1], [1, -1]], factors) < 0.2
(1.0, True)
"""

from __future__ import annotations

from .active_units import active_units_variance
from .beta_vae import PROTOCOLS, Protocol, beta_vae_score
from .dci import DCI, dci
from .dci_es import DCIES, dci_es
from .explicitness import explicitness, explicitness_of_factors
from .factor_vae import Votes, factor_vae_score, factor_vae_votes
from .folds import OneToOne, one_to_one
from .infomec import InfoMEC, infomec
from .information import mutual_information
from .irs import irs
from .kinds import KINDS, kinds_of
from .latent_information import mutual_information_score
from .mig import mig, mig_of_factors, mig_sup
from .mig_chen import mig_chen, mig_chen_of_factors
from .modularity import modularity
from .sampling import FactorSampler
from .sap import sap, sap_of_factors
from .total_correlation import total_correlation
from .udr import udr
from .wasserstein import WassersteinCorrelation, wasserstein_correlation

__all__ = [
    "DCI",
    "DCIES",
    "KINDS",
    "PROTOCOLS",
    "FactorSampler",
    "InfoMEC",
    "OneToOne",
    "Protocol",
    "Votes",
    "WassersteinCorrelation",
    "active_units_variance",
    "beta_vae_score",
    "dci",
    "dci_es",
    "explicitness",
    "explicitness_of_factors",
    "factor_vae_score",
    "factor_vae_votes",
    "infomec",
    "irs",
    "kinds_of",
    "mig",
    "mig_chen",
    "mig_chen_of_factors",
    "mig_of_factors",
    "mig_sup",
    "modularity",
    "mutual_information",
    "mutual_information_score",
    "one_to_one",
    "sap",
    "sap_of_factors",
    "total_correlation",
    "udr",
    "wasserstein_correlation",
]
