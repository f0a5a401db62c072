"""Programs with more than one latent, one a file that reads like its paper's model section; and those of a user's file.

`fit` takes any subclass of `BetaVAE`. By name, or with the file that it stands in, it is one of the settings of a run.
"""

from __future__ import annotations

from .chosen import Program, chosen, options_of, program_of
from .files import Source, read
from .named import PROGRAMS
from .parts import filled, is_known, joined, one_hot

__all__ = [
    "PROGRAMS",
    "Program",
    "Source",
    "chosen",
    "filled",
    "is_known",
    "joined",
    "one_hot",
    "options_of",
    "program_of",
    "read",
]
