"""Many fits side by side: fitted, measured on held-out data, and summarised over seeds.

`choices` says which fits a comparison makes, `fits` makes and measures them, `curves` places them on rate–distortion
curves, and `report` summarises them in tables, files and figures.
"""

from __future__ import annotations

from .choices import Choice, choices_of
from .curves import on_curves
from .fits import measured_anew, plain, run_all

__all__ = ["Choice", "choices_of", "measured_anew", "on_curves", "plain", "run_all"]
