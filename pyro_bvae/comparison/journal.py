"""The journal of a search: a file of Optuna's own, which several processes may write in turns, and any may be killed.

Optuna appends a line for each thing that happens. A process that is killed leaves a line that it did not end, and a
lock of Optuna's; both go before the next one writes. Between processes, the lock is this package's.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..files import locked, naming, wanted

__all__ = ["JOURNAL", "Journal"]

JOURNAL = "search.log"
DAMAGED = (ValueError, LookupError, TypeError, AttributeError, AssertionError)  # what Optuna makes of other content


class Journal:
    """A study of Optuna's in a file.

    Args:
        file: The journal, in a folder that is there; it is made if need be.
        name: Of the study: what is looked for where.
        directions: "maximize" or "minimize" for each aim.

    Raises:
        MissingPackageError: Optuna is not installed.
        FileExistsError: The journal is that of another search.
        ValueError: It is damaged.
    """

    def __init__(self, file: Path, name: str, directions: Sequence[str]) -> None:
        self.optuna = wanted("optuna", "a search", "search")
        self._file = file
        with self.writing():
            self.study = self._opened(name, directions)

    @property
    def states(self) -> Any:
        """What a trial may be: running, complete, or failed."""
        return self.optuna.trial.TrialState

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Optuna without its log and its warnings of what is experimental."""
        logging = self.optuna.logging
        before = logging.get_verbosity()
        logging.set_verbosity(logging.ERROR)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield
        finally:
            logging.set_verbosity(before)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Be the only one who writes, once the others have; errors of the system name the journal."""
        lock = self._file.with_name(f".{self._file.name}.lock")
        with self.reading(), locked(lock, str(self._file), waiting=lambda _: None):
            self._mend()
            yield

    def trials(self) -> Sequence[Any]:
        """All trials as they are now, in the order of their numbers."""
        trials: Sequence[Any] = self.study.get_trials(deepcopy=False)
        return trials

    def trial(self, number: int) -> Any:
        """A trial that is running, perhaps that of a process that was killed."""
        return self.optuna.trial.Trial(self.study, self.trials()[number]._trial_id)

    def _opened(self, name: str, directions: Sequence[str]) -> Any:
        journal, path = self.optuna.storages.journal, str(self._file)
        try:
            backend = journal.JournalFileBackend(path, lock_obj=journal.JournalFileOpenLock(path))
            storage = self.optuna.storages.JournalStorage(backend)
            names = self.optuna.get_all_study_names(storage)
        except DAMAGED as error:
            raise ValueError(f"{self._file} is damaged: name another `out`") from error
        if names and names != [name]:
            raise FileExistsError(f"{self._file.parent} holds another search ({names[0]}): name another `out`")
        options = {"study_name": name, "directions": directions, "load_if_exists": True}
        return self.optuna.create_study(storage=storage, **options)

    def _mend(self) -> None:
        """Take away what a killed process has left."""
        with naming(self._file):
            for left in self._file.parent.glob(f"{self._file.name}.lock*"):
                left.unlink(missing_ok=True)
            if not _ends_a_line(self._file):
                lines, end, _ = self._file.read_bytes().rpartition(b"\n")
                os.truncate(self._file, len(lines) + len(end))


def _ends_a_line(file: Path) -> bool:
    """Whether a file is not there, empty, or ends with the end of a line."""
    if not file.is_file() or not file.stat().st_size:
        return True
    with open(file, "rb") as content:
        content.seek(-1, os.SEEK_END)
        return content.read() == b"\n"
