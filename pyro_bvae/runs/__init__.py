"""A run: its settings, its files, and the model they rebuild."""

from __future__ import annotations

from .building import build, build_model, data_of_run, load_data, moved
from .bundle import Bundle, stored_run, write_bundle
from .folder import RunFolder
from .run import Run, load_run

__all__ = [
    "Bundle",
    "Run",
    "RunFolder",
    "build",
    "build_model",
    "data_of_run",
    "load_data",
    "load_run",
    "moved",
    "stored_run",
    "write_bundle",
]
