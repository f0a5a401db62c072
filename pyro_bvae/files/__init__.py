"""How files are written: whole or not at all, and by one process at a time."""

from __future__ import annotations

from .archives import check_stored
from .locks import HeldError, locked
from .writing import as_json, atomic_write, make_folder, naming, remove_abandoned, sync, write_csv, write_json

__all__ = [
    "HeldError",
    "as_json",
    "atomic_write",
    "check_stored",
    "locked",
    "make_folder",
    "naming",
    "remove_abandoned",
    "sync",
    "write_csv",
    "write_json",
]
