"""A fit: the loop, the state that a checkpoint holds, and what looks on."""

from __future__ import annotations

from .interrupts import Interrupted
from .loop import Callback, fit
from .state import Training, resolve_device

__all__ = ["Callback", "Interrupted", "Training", "fit", "resolve_device"]
