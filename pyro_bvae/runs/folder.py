"""The files of a run, written so that a kill at any moment leaves a folder that resumes.

    config.json       every setting needed to repeat the run
    history.jsonl     one line a logging interval
    checkpoint.pt     the latest state: plain data and tensors, loadable with ``weights_only=True``
    checkpoints/      numbered ones, where asked for
    figures/

A file is replaced by renaming a complete new one over it. A history line is written before the checkpoint of its step,
so that what a kill leaves over is only ever too much history, which `cut_history` removes. A run that takes the place
of another begins with its config under a name of its own: from then on the folder is the new run's, and whatever else
lies there is of the old one and goes, now or, after a kill, when somebody next writes here.

A fit holds the folder from its first to its last byte (`held`), and a second one is refused.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from pathlib import Path
from time import monotonic
from typing import Any

import torch

from ..files import LOCK, check_lock, held_folder, naming, read_json, remove_abandoned, sync, write_json
from ..settings.stored import check_config, check_format
from .checkpoints import FORMAT, listed, name_of, read_checkpoint, step_of, write_checkpoint
from .history import append_line, read_lines, write_lines
from .names import OWN, SUCCESSOR, WRITTEN
from .older import understood

__all__ = ["FORMAT", "RunFolder", "owner_of"]

SECONDS_BETWEEN_SYNCS = 10.0


class RunFolder:
    """One run on disk.

    Args:
        path: The folder, which need not exist.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._synced = -inf  # when a checkpoint was last seen to the disk

    @property
    def figures(self) -> Path:
        """Where pictures go."""
        return self.path / "figures"

    @property
    def is_run(self) -> bool:
        """Whether there is a run here."""
        return os.path.isfile(self._config)  # which, other than Path's, says no where a name is too long

    @property
    def has_checkpoint(self) -> bool:
        """Whether the run got as far as its first checkpoint, and still has it."""
        return (self.path / "checkpoint.pt").is_file() and not self._is_half_overwritten

    @property
    def _is_half_overwritten(self) -> bool:
        return os.path.isfile(self.path / SUCCESSOR)

    @property
    def _config(self) -> Path:
        return self.path / (SUCCESSOR if self._is_half_overwritten else "config.json")

    @contextmanager
    def held(self, patient: bool = False) -> Iterator[None]:
        """Be the only one who writes a run here; what a killed process left half done is finished or removed first.

        The folder is made, and goes again if nothing was written. Should another process take it over, because this one
        was suspended for long, whatever this one writes here from then on raises `LostError`.

        Args:
            patient: Whether to watch for half a minute if a process that writes here is suspended, and to take the
                folder over then.

        Raises:
            HeldError: Another process writes here.
            WriteError: The folder cannot be made or written.
        """
        with held_folder(self.path, patient):
            self._tidy()
            try:
                yield
            finally:
                self._sync()

    def start(self, config: dict[str, Any], overwrite: bool = False) -> None:
        """Make the folder and write its config.

        Args:
            config: All settings.
            overwrite: Whether a run that is there gives way; a user's own files never do.

        Raises:
            FileExistsError: A run is here and ``overwrite`` is False, or other files are, which are never removed.
            OSError: The folder cannot be written.
        """
        self.check_free(overwrite)
        if self.is_run:
            write_json(self.path / SUCCESSOR, config)
            self._clear()
        else:
            self.write_config(config)

    def check_free(self, overwrite: bool = False) -> None:
        """Make sure that a run may start here; nothing is changed.

        Raises:
            FileExistsError: As for `start`.
            ValueError: The config.json that is here is no run's.
        """
        if self.is_run:
            where = self.path / "config.json"
            check_format(read_json(self._config), where)  # that of another program is not ours to overwrite
            if not overwrite:
                raise FileExistsError(f"{self.path} holds a run: `resume` it, `overwrite` it, or name another `out`")
        elif self._other_files():
            raise FileExistsError(f"{self.path} holds other files, like {self._other_files()[0]}: name another `out`")

    def write_config(self, config: dict[str, Any]) -> None:
        """Write config.json."""
        write_json(self.path / "config.json", config)

    def read_config(self) -> dict[str, Any]:
        """The settings of the run; those that are younger than it mean what there was before.

        Raises:
            FileNotFoundError: No run is here.
            ValueError: The config is damaged, of another format, or a value is none that its key can have.
        """
        if self.path.is_file():
            raise FileNotFoundError(f"{self.path} is no run folder; a run in one file has no optimiser to go on with")
        if not self.is_run:
            raise FileNotFoundError(f"{self.path} is not a run: it has no config.json")
        where = self.path / "config.json"
        return understood(check_config(read_json(self._config), where), where)

    def append(self, record: dict[str, Any]) -> None:
        """Add one line to the history."""
        append_line(self.path / "history.jsonl", record)

    def read_history(self) -> list[dict[str, Any]]:
        """The lines of the history; a last line that a kill cut short is left out.

        Raises:
            ValueError: An earlier line is damaged.
        """
        return [] if self._is_half_overwritten else read_lines(self.path / "history.jsonl")

    def cut_history(self, step: int, since: float, finished: bool) -> list[dict[str, Any]]:
        """Keep what an uninterrupted run would hold at ``step``.

        Args:
            step: Lines beyond it go.
            since: Seconds of training at the last line after which means began anew. A later line closed a shorter run,
                between two lines of the longer one, and goes.
            finished: Whether the run ends at ``step``, which then has a line in any case.

        Returns:
            The lines that stay.
        """
        last = step if finished else -1
        lines = [record for record in self.read_history() if record["step"] <= step]
        kept = [record for record in lines if record["seconds"] <= since or record["step"] == last]
        write_lines(self.path / "history.jsonl", kept)
        return kept

    def save(self, state: dict[str, Any], keep: int | None = 0) -> None:
        """Write the checkpoint, and a numbered one beside it.

        Every ten seconds, and when the folder is let go, this waits until the disk has it: for each of the checkpoints
        of a short epoch that would take longer than some steps. A loss of power in between leaves an earlier
        checkpoint, or one whose damage is noticed when it is read; a kill leaves the last.

        Args:
            state: Plain data and tensors, with an entry ``step``.
            keep: How many numbered checkpoints stay; None for all.
        """
        is_due = monotonic() - self._synced > SECONDS_BETWEEN_SYNCS
        if is_due:
            self._sync("history.jsonl")
        latest, numbered = self.path / "checkpoint.pt", self.path / "checkpoints" / name_of(state["step"])
        write_checkpoint(state, *([latest] if keep == 0 else [numbered, latest]), durable=is_due)
        self._synced = monotonic() if is_due else self._synced
        self.keep_last(keep)

    def keep_last(self, count: int | None) -> None:
        """Remove older numbered checkpoints, also those that a kill has left; none for None, and none for 0."""
        for step in self.numbered_steps()[:-count] if count else ():
            self._remove(f"checkpoints/{name_of(step)}")

    def load(self, at: int | None = None, device: torch.device | str = "cpu") -> dict[str, Any]:
        """The latest state, or that of the numbered checkpoint of a step. No code in the file is run.

        Args:
            at: The step of a numbered checkpoint.
            device: Where its tensors go.

        Raises:
            FileNotFoundError: There is no such checkpoint.
            ValueError: The file is damaged or of another format. The message names the numbered checkpoints.
        """
        others = [step for step in self.numbered_steps() if step != at]
        instead = f"; `at=STEP` takes that of another step: {listed(others)}" if others else ""
        if at is None and not self.has_checkpoint:
            missing = "is missing" if others else "does not exist: the run has no checkpoint yet"
            raise FileNotFoundError(f"{self.path / 'checkpoint.pt'} {missing}{instead}")
        path = self.path / ("checkpoint.pt" if at is None else f"checkpoints/{name_of(at)}")
        if at is not None and at not in self.numbered_steps():
            known = f"; there are {listed(others)}" if others else "; fit keeps them with `keep=N` or `keep=all`"
            raise FileNotFoundError(f"{path} does not exist: no step {at}{known}")
        try:
            return read_checkpoint(path, device)
        except ValueError as error:
            raise ValueError(f"{error}{instead}") from error

    def load_to_go_on(self, device: torch.device | str = "cpu") -> dict[str, Any] | None:
        """The state that a run goes on from: the latest, or with a warning the last numbered one where that is missing.

        Returns:
            The state; None if the run has no checkpoint of either kind, and starts again.

        Raises:
            ValueError: The file is damaged or of another format.
        """
        steps = self.numbered_steps()
        if self.has_checkpoint or not steps:
            return self.load(device=device) if self.has_checkpoint else None
        missing = f"{self.path / 'checkpoint.pt'} is missing"
        warnings.warn(f"{missing}: the run goes on from its numbered checkpoint of step {steps[-1]}", stacklevel=2)
        return self.load(steps[-1], device)

    def numbered_steps(self) -> list[int]:
        """The steps that have a numbered checkpoint, rising."""
        folder = self.path / "checkpoints"
        if self._is_half_overwritten or not folder.is_dir():
            return []
        return sorted(step for file in folder.iterdir() if (step := step_of(file.name)) is not None)

    def _other_files(self) -> list[str]:
        """Names of the files here that are no run's; a run killed at its very start leaves a lock or a partial file."""
        names = {file.name for file in self.path.iterdir()} if os.path.isdir(self.path) else set()
        return sorted(name for name in names - {LOCK, "config.partial.json"} if not name.startswith(".partial-"))

    def _tidy(self) -> None:
        """Remove the partial files of dead processes, those of older versions too, and finish an overwriting."""
        for folder in (self.path, self.path / "checkpoints", self.figures, self.path / "tensorboard"):
            remove_abandoned(folder)
        if self.is_run:
            patterns = [Path(name) for name in ("config.json", *WRITTEN)]
            self._remove(*[f"{pattern.with_suffix('')}.partial{pattern.suffix}" for pattern in patterns])
        if self._is_half_overwritten:
            self._clear()

    def _clear(self) -> None:
        """Remove what the run before has left, and let the config of the new one take its place."""
        with naming(self.path / "config.json"):
            self._remove(*WRITTEN)
            for folder in (self.path / "checkpoints", self.figures, self.path):
                if folder.is_dir():
                    sync(folder)
            check_lock(self.path / "config.json")
            os.replace(self.path / SUCCESSOR, self.path / "config.json")
            sync(self.path)

    def _sync(self, *names: str) -> None:
        """Wait until files of the run, by default all that a resume needs, are on the disk."""
        for path in (self.path / name for name in names or ("history.jsonl", "checkpoint.pt")):
            if path.exists():
                with naming(path):
                    sync(path)

    def _remove(self, *patterns: str) -> None:
        for pattern in patterns:
            for file in self.path.glob(pattern):
                check_lock(file)
                file.unlink()


def owner_of(file: Path) -> Path | None:
    """The run whose own file that is, links and letter case regarded; None where it is nobody's."""
    real = Path(os.path.realpath(file))  # which leaves a name that is too long to the writing
    if real.name.casefold() in OWN and RunFolder(real.parent).is_run:
        return real.parent
    outer = real.parent.parent
    return outer if real.parent.name.casefold() == "checkpoints" and RunFolder(outer).is_run else None
