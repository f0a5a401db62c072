"""Data to latents: the codes of a data set, and the latent sites of programs one at a time.

`sites` looks at one site while `standing` lets the others stand, at the centres that `moments` computes; `encoding`
does so for a data set.
"""

from __future__ import annotations

from .encoding import Codes, encode, encode_sites
from .explained import FAR, explained, runnable
from .moments import centre, class_values, width
from .sites import (
    centres,
    code_site,
    draws,
    followers,
    is_plain,
    latents,
    posterior,
    posterior_mean,
    posteriors,
    prior,
    prior_mean,
    site_of,
)
from .standing import Centred, Held, rows_of_value

__all__ = [
    "FAR",
    "Centred",
    "Codes",
    "Held",
    "centre",
    "centres",
    "class_values",
    "code_site",
    "draws",
    "encode",
    "encode_sites",
    "explained",
    "followers",
    "is_plain",
    "latents",
    "posterior",
    "posterior_mean",
    "posteriors",
    "prior",
    "prior_mean",
    "rows_of_value",
    "runnable",
    "site_of",
    "width",
]
