"""A fit: the loop, how steps are taken, the state that a checkpoint holds, and what looks on."""

from __future__ import annotations

from .arguments import FitArguments
from .callback import Callback
from .devices import resolve_device
from .interrupts import Interrupted
from .loop import fit
from .state import Training

__all__ = ["Callback", "FitArguments", "Interrupted", "Training", "fit", "resolve_device"]
