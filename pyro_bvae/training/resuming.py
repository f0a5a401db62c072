"""A fit that goes on: what it takes up of the run in its folder, what may have changed since, and what is to be said.

What changes no number, and the length, may change; so may the place of the data, by their fingerprint. All else has
been refused by `check_same`, so that a resumed run ends as if it had never stopped.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import ranks
from ..runs import Run, RunFolder
from ..runs.config import MAY_CHANGE, PLACE, other_conditions
from ..runs.set_aside import set_aside
from ..settings.names import AS_ASKED, AS_BEGUN
from ..settings.options import LENGTH
from .state import Training

__all__ = ["go_on"]


def go_on(
    folder: RunFolder,
    run: Run,
    training: Training,
    stored: Mapping[str, Any],
    state: dict[str, Any] | None,
    at: int | None = None,
) -> None:
    """Take up the run in a folder: its state, its history up to there, and its settings with what may change.

    Args:
        folder: Of the run; its history is cut to the state's step, and its config is for the caller to write.
        run: Whose config is that of the fit asked for, and passed `check_same`.
        training: That of the fit.
        stored: The config in the folder.
        state: The checkpoint to go on from; None where the run had none yet.
        at: Its step, where it is a numbered one; what came later is set aside.
    """
    run.config |= _compilation(run.config, stored)
    if state is not None:
        training.load_state_dict(state)
    aside = None if at is None else ranks.by_first(set_aside, folder, at)
    if aside is not None:
        run.notes.append(f"what came after step {at:,} is set aside in {aside}")
    finished = training.total <= training.step
    run.history += ranks.by_first(folder.cut_history, training.step, training.tally.since, finished)
    said = other_conditions(run.config, stored)
    if said is not None and training.step and not finished:
        run.notes.append(said)
    before, now = stored["ranks"], run.config["ranks"]
    if before != now and training.step and not finished:
        ranks_before = f"{before} rank{'s' * (before > 1)}"
        run.notes.append(f"it was taken by {ranks_before}, and goes on with {now}: z is drawn otherwise from here on")
    may_change = {*MAY_CHANGE, *(PLACE if run.config["can_be_loaded"] else ())}
    if training.total < training.step:  # a run is never made shorter
        training.total = training.step
        may_change -= {*LENGTH}
    changed = {name: run.config[name] for name in run.config if name in may_change}
    run.config = {**stored, **changed, "resumed": [*stored.get("resumed", []), run.config["command"]]}


def _compilation(config: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    """Whether steps are compiled, and why: as before, for the same digits, unless something else is asked for.

    On another kind of device there are no digits to keep, and the fit decides anew.
    """
    before = stored["compile"]
    if config["compile"] not in (None, before) or stored.get("compile_because") == AS_ASKED:
        return {"compile": before if config["compile"] is None else config["compile"], "compile_because": AS_ASKED}
    if stored.get("ran_on") is not None and _kind(config) != _kind(stored):
        return {"compile": None}
    return {"compile": before, "compile_because": AS_BEGUN}


def _kind(config: Mapping[str, Any]) -> str:
    """The kind of device of a run."""
    return str(config["ran_on"]).partition(":")[0]
