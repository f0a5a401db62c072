"""Programs with more than one latent, one a file that reads like its paper's model section; and those of a user's file.

`fit` takes any subclass of `BetaVAE`, and any module with such programs. By name, or with the file that it stands in, a
subclass is one of the settings of a run.
"""

from __future__ import annotations

from .adopted import adopted
from .chosen import Program, chosen, options_of, program_of
from .conditional import Conditional
from .files import Source, read
from .hierarchical import Hierarchical
from .joint import Joint
from .named import PROGRAMS
from .partly import enumerated_where_missing, observed_where_known
from .parts import GaussianOf, HeadsOf, filled, is_known, joined, one_hot
from .semi_supervised import SemiSupervised

__all__ = [
    "PROGRAMS",
    "Conditional",
    "GaussianOf",
    "HeadsOf",
    "Hierarchical",
    "Joint",
    "Program",
    "SemiSupervised",
    "Source",
    "adopted",
    "chosen",
    "enumerated_where_missing",
    "filled",
    "is_known",
    "joined",
    "observed_where_known",
    "one_hot",
    "options_of",
    "program_of",
    "read",
]
