"""The journal of a search: a file of Optuna's own, that one process writes at a time, and that survives a kill."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..files import naming

__all__ = ["JOURNAL", "open_study", "quiet"]

JOURNAL = "search.log"


@contextmanager
def quiet(optuna: Any, file: Path) -> Iterator[None]:
    """Optuna without its log and its warnings of what is experimental; errors of the system name the journal."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings(), naming(file):
            warnings.simplefilter("ignore")
            yield
    finally:
        optuna.logging.set_verbosity(before)


def open_study(optuna: Any, file: Path, name: str, directions: Sequence[str]) -> Any:
    """The study in a journal, which is made if need be.

    Args:
        optuna: The package.
        file: The journal, in a folder that nobody else writes to.
        name: What is looked for where.
        directions: "maximize" or "minimize" for each aim.

    Raises:
        FileExistsError: The journal is that of another search.
        ValueError: It is damaged.
    """
    try:
        with quiet(optuna, file):
            storage = optuna.storages.JournalStorage(_backend(optuna, file))
            names = optuna.get_all_study_names(storage)
    except (ValueError, LookupError, TypeError, AttributeError, AssertionError) as error:
        raise ValueError(f"{file} is damaged: name another `out`") from error
    if names and names != [name]:
        raise FileExistsError(f"{file.parent} holds another search ({names[0]}): name another `out`")
    with quiet(optuna, file):
        return optuna.create_study(storage=storage, study_name=name, directions=directions, load_if_exists=True)


def _backend(optuna: Any, file: Path) -> Any:
    """The journal's file, without what a killed process left: its lock, and a line that it did not end."""
    for left in file.parent.glob(f"{file.name}.lock*"):
        left.unlink(missing_ok=True)
    if file.is_file():
        lines, end, rest = file.read_bytes().rpartition(b"\n")
        if rest:
            os.truncate(file, len(lines) + len(end))
    journal = optuna.storages.journal
    return journal.JournalFileBackend(str(file), lock_obj=journal.JournalFileOpenLock(str(file)))
