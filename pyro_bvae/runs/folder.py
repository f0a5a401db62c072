"""The files of a run, written so that a kill at any moment leaves a folder that resumes.

    config.json       every setting needed to repeat the run
    history.jsonl     one line a logging interval
    checkpoint.pt     the latest state: plain data and tensors, loadable with ``weights_only=True``
    checkpoints/      numbered ones, where asked for
    figures/

A file is replaced by renaming a complete new one over it. A history line is written before the checkpoint of its step,
so that what a kill leaves over is only ever too much history, which `cut_history` removes.
"""

from __future__ import annotations

import io
import json
import os
import warnings
from pathlib import Path
from typing import Any

import torch

from ..files import atomic_write, write_json

__all__ = ["FORMAT", "RunFolder"]

FORMAT = "pyro-bvae run 1"
# what a run writes beside its config; a user's own files in the folder are not touched
PICTURES = (
    "traversal",
    "traversal-[0-9]*",
    "training",
    "reconstructions",
    "samples",
    "curves",
    "covariances",
    "latents",
)
WRITTEN = ["history.jsonl", "checkpoint.pt", "checkpoints/step-*.pt", "codes.npz", "evaluation.json"]
WRITTEN += [f"figures/{name}.*" for name in PICTURES]
# what every config.json says
KEYS = {"format", "dataset", "can_be_loaded", "fingerprint", "custom", "beta", "shape", "likelihood", "command"}
STATE = {"format", "step", "seconds", "beta", "model", "optimizer", "rng", "interval"}


class RunFolder:
    """One run on disk.

    Args:
        path: The folder, which need not exist.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    @property
    def figures(self) -> Path:
        """Where pictures go."""
        return self.path / "figures"

    @property
    def is_run(self) -> bool:
        """Whether there is a run here."""
        return (self.path / "config.json").is_file()

    @property
    def has_checkpoint(self) -> bool:
        """Whether the run got as far as its first checkpoint."""
        return (self.path / "checkpoint.pt").is_file()

    def start(self, config: dict[str, Any], overwrite: bool = False) -> None:
        """Make the folder and write its config.

        Args:
            config: All settings.
            overwrite: Whether a run that is there gives way; a user's own files never do.

        Raises:
            FileExistsError: A run is here and ``overwrite`` is False, or other files are, which are never removed.
            OSError: The folder cannot be written.
        """
        if self.is_run:
            self.read_config()  # another program's config.json is not ours to overwrite
            if not overwrite:
                raise FileExistsError(f"{self.path} holds a run: --resume it, --overwrite it, or name another --out")
            self._clear()  # the old config stays until the new one replaces it: a kill in between can start again
        elif self._other_files():
            raise FileExistsError(f"{self.path} holds other files, like {self._other_files()[0]}: name another --out")
        self.path.mkdir(parents=True, exist_ok=True)
        self.write_config(config)

    def write_config(self, config: dict[str, Any]) -> None:
        """Write config.json."""
        write_json(self.path / "config.json", config)

    def read_config(self) -> dict[str, Any]:
        """The settings of the run.

        Raises:
            FileNotFoundError: No run is here.
            ValueError: The config is damaged or of another format.
        """
        if not self.is_run:
            raise FileNotFoundError(f"{self.path} is not a run: it has no config.json")
        try:
            config = json.loads((self.path / "config.json").read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{self.path / 'config.json'} is damaged: {error}") from error
        if not isinstance(config, dict) or config.get("format") != FORMAT:
            raise ValueError(f"{self.path / 'config.json'} is not of the format {FORMAT!r}")
        if not config.keys() >= KEYS:
            raise ValueError(
                f"{self.path / 'config.json'} is damaged: it lacks {', '.join(sorted(KEYS - config.keys()))}"
            )
        return config

    def append(self, record: dict[str, Any]) -> None:
        """Add one line to the history."""
        with open(self.path / "history.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps(record, allow_nan=False) + "\n")

    def read_history(self) -> list[dict[str, Any]]:
        """The lines of the history; a last line that a kill cut short is left out.

        Raises:
            ValueError: An earlier line is damaged.
        """
        path = self.path / "history.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        records = []
        for number, line in enumerate(lines, start=1):
            try:
                records.append(json.loads(line))
            except ValueError as error:
                if number < len(lines):
                    raise ValueError(f"{path} is damaged at line {number}: {error}") from error
        return records

    def cut_history(self, step: int, every: int, finished: bool) -> list[dict[str, Any]]:
        """Keep what an uninterrupted run would hold at ``step``.

        Args:
            step: Lines beyond it go.
            every: Only lines at a multiple of it stay.
            finished: Whether the run ends at ``step``, which then has a line in any case.

        Returns:
            The lines that stay.
        """
        last = step if finished else -1
        lines = [record for record in self.read_history() if record["step"] <= step]
        kept = [record for record in lines if record["step"] % every == 0 or record["step"] == last]
        self._write("history.jsonl", "".join(json.dumps(record) + "\n" for record in kept).encode())
        return kept

    def save(self, state: dict[str, Any], keep: int | None = 0) -> None:
        """Write the checkpoint, and a numbered one beside it.

        Args:
            state: Plain data and tensors, with an entry ``step``.
            keep: How many numbered checkpoints stay; None for all.
        """
        buffer = io.BytesIO()
        torch.save(state, buffer)
        if keep != 0:
            self._write(f"checkpoints/{_numbered(state['step'])}", buffer.getvalue())
            for old in self._numbered_checkpoints()[: -keep if keep else 0]:
                old.unlink()
        self._write("checkpoint.pt", buffer.getvalue())

    def load(self, at: int | None = None, device: torch.device | str = "cpu") -> dict[str, Any]:
        """The latest state, or that of the numbered checkpoint of a step. No code in the file is run.

        Args:
            at: The step of a numbered checkpoint.
            device: Where its tensors go.

        Raises:
            FileNotFoundError: There is no such checkpoint.
            ValueError: The file is damaged or of another format.
        """
        path = self.path / ("checkpoint.pt" if at is None else f"checkpoints/{_numbered(at)}")
        if not path.is_file():
            steps = self.numbered_steps()
            known = f"; there are {steps}" if steps else "; fit keeps them with --keep N or --keep all"
            raise FileNotFoundError(
                f"{path} does not exist: " + ("the run has no checkpoint yet" if at is None else f"no step {at}{known}")
            )
        try:
            with warnings.catch_warnings(action="ignore"):
                state = torch.load(path, map_location=device, weights_only=True)
        except (OSError, MemoryError, torch.OutOfMemoryError):
            raise
        except Exception as error:  # whatever the bytes of a damaged file make torch's reader raise
            reason = "it holds objects other than plain data" if "weights_only" in str(error) else "it cannot be read"
            raise ValueError(f"{path} is damaged or no checkpoint of this package: {reason}") from error
        if not isinstance(state, dict) or state.get("format") != FORMAT:
            raise ValueError(f"{path} is not a checkpoint of the format {FORMAT!r}")
        if not state.keys() >= STATE:
            raise ValueError(f"{path} is damaged: it lacks {', '.join(sorted(STATE - state.keys()))}")
        return state

    def numbered_steps(self) -> list[int]:
        """The steps that have a numbered checkpoint, rising."""
        return [int(file.stem.split("-")[1]) for file in self._numbered_checkpoints()]

    def _write(self, name: str, content: bytes) -> None:
        with atomic_write(self.path / name) as partial:
            partial.write_bytes(content)

    def _other_files(self) -> list[str]:
        """Names of the files here that are no run's; a run killed at its very start leaves a partial config."""
        names = {file.name for file in self.path.iterdir()} if self.path.is_dir() else set()
        return sorted(names - {"config.partial.json"})

    def _clear(self) -> None:
        for pattern in WRITTEN:
            for file in self.path.glob(pattern):
                file.unlink()

    def _numbered_checkpoints(self) -> list[Path]:
        return sorted((self.path / "checkpoints").glob("step-[0-9]*.pt"))


def _numbered(step: int) -> str:
    return f"step-{step:09d}.pt"
