"""How files are written: whole or not at all, and by one process at a time. And streams, which are files too."""

from __future__ import annotations

from .archives import check_stored
from .errors import WriteError, naming
from .folders import held_folder, make_folder
from .held import LOCK, LostError, check_lock
from .locks import HeldError, locked
from .optional import MissingPackageError, wanted
from .places import holds_run, place_in, without_places
from .reading import json_of, parsed_json, read_json
from .streams import is_terminal
from .writing import as_json, atomic_write, remove_abandoned, sync, write_csv, write_json

__all__ = [
    "LOCK",
    "HeldError",
    "LostError",
    "MissingPackageError",
    "WriteError",
    "as_json",
    "atomic_write",
    "check_lock",
    "check_stored",
    "held_folder",
    "holds_run",
    "is_terminal",
    "json_of",
    "locked",
    "make_folder",
    "naming",
    "parsed_json",
    "place_in",
    "read_json",
    "remove_abandoned",
    "sync",
    "wanted",
    "without_places",
    "write_csv",
    "write_json",
]
