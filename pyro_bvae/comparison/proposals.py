"""How Optuna proposes the settings of a trial, from what became of the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..settings.searched import Span, Values

__all__ = ["propose", "sampler_of"]

SHARE_OF_GOOD = 0.1  # of the trials, which the estimator holds against the others


def sampler_of(optuna: Any, seed: int, number: int, others: Sequence[Any]) -> Any:
    """What proposes a trial, with random numbers of its own: the tree-structured Parzen estimator, TPE.

    It keeps away from trials that run or have failed. Where nearly all have, chance proposes.

    Args:
        optuna: The package.
        seed: Of the search.
        number: Of the trial.
        others: Those that there are.
    """
    own = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
    ended = [trial.state for trial in others if trial.state.is_finished()]
    if ended.count(optuna.trial.TrialState.COMPLETE) < SHARE_OF_GOOD * len(ended):
        return optuna.samplers.RandomSampler(own)
    return optuna.samplers.TPESampler(seed=own, constant_liar=True)


def propose(trial: Any, span: Span | Values) -> None:
    """Let Optuna propose a setting in a trial, unless it has."""
    if isinstance(span, Values):
        trial.suggest_categorical(span.name, span.texts)
    elif span.is_whole:
        trial.suggest_int(span.name, span.low, span.high, step=int(span.step or 1), log=span.is_log)
    else:
        trial.suggest_float(span.name, span.low, span.high, step=span.step, log=span.is_log)
