"""Sweeps of the latents of a model around base codes, one latent at a time, and of a class through all its values."""

from __future__ import annotations

from .bases import Base, base
from .classes import ClassSweep, sweep_classes
from .sweeps import Traversal, sweep, traverse
from .values import class_names, class_sites, first_of, read_value

__all__ = [
    "Base",
    "ClassSweep",
    "Traversal",
    "base",
    "class_names",
    "class_sites",
    "first_of",
    "read_value",
    "sweep",
    "sweep_classes",
    "traverse",
]
