"""A run in one file; what it holds is in `runs.bundle`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..programs import program_of
from ..runs.bundle import read_part, read_program, stored_run, write_bundle
from ..runs.names import EVALUATION, LATENT_NAMES
from ..runs.run import Run

__all__ = ["write", "write_stored"]


def write(run: Run, path: Path) -> list[Path]:
    """Write a run as it is now.

    Args:
        run: The run.
        path: The file.

    Returns:
        The file.
    """
    state = {"step": run.step, "beta": run.model.beta_value, "model": run.model.state_dict()}
    program = program_of(run.model)
    content = None if program is None or program.source is None else program.source.content
    parts = {} if run.path is None else _parts(run.path, run.step)
    write_bundle(path, run.config, run.history, state, parts, content)
    return [path]


def write_stored(run: Path, path: Path, at: int | None = None) -> list[Path]:
    """Write a run on disk, without building its model.

    Args:
        run: Its folder or file.
        path: The file.
        at: A step that has a numbered checkpoint, in place of the latest.

    Returns:
        The file.

    Raises:
        FileNotFoundError: There is no run, or no such checkpoint.
        ValueError: A file of the run is damaged.
    """
    stored = stored_run(run)
    config, state = stored.read_config(), stored.load(at)
    write_bundle(path, config, stored.read_history(), state, _parts(run, state["step"]), read_program(run))
    return [path]


def _parts(run: Path, step: int) -> Mapping[str, Any]:
    """The names of latents, and the numbers of this step; of the run itself no more than its name is in them."""
    numbers = read_part(run, EVALUATION)
    is_of_step = isinstance(numbers, dict) and numbers.get("step") == step
    evaluation = {**numbers, "run": Path(str(numbers.get("run"))).name} if is_of_step else None
    return {LATENT_NAMES: read_part(run, LATENT_NAMES), EVALUATION: evaluation}
