"""A search: trials of settings, each proposed by Optuna from what the earlier ones gave.

A trial is one combination of settings, fitted under each seed; its values are means over the seeds. They are proposed
by the tree-structured Parzen estimator, also for several aims, and the best are those of the Pareto front: no other
trial is as good in all aims and better in one.

The journal, `search.log` in the folder of the comparison, is Optuna's own. It holds a study whose name says what is
looked for where, and what was proposed and measured. A trial that was running when its process was killed goes on under
its number. What is proposed depends on the journal and the first seed alone, so that a search of one run at a time
gives the same trials however often it was stopped.

Source: Bergstra et al., Algorithms for hyper-parameter optimization, NeurIPS 2011; Ozaki et al., Multiobjective
tree-structured Parzen estimator, https://doi.org/10.1613/jair.1.13188; Akiba et al., Optuna,
https://arxiv.org/abs/1907.10902
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

from ..files import wanted
from ..settings.searched import Span, Values, written
from ..settings.shown import in_words
from ..sweeps import Crew, Job
from ..training import Callback
from .aims import Aim
from .choices import Choice
from .fits import run_all
from .journal import JOURNAL, open_study, quiet
from .rows import RunRow

__all__ = ["Search", "Trial", "search_all"]

FEWEST = 5  # trials, below which nothing is said about the importance of settings
REASON = "failed"  # the attribute of a failed trial that says why


@dataclass(frozen=True)
class Trial:
    """One combination of settings.

    Attributes:
        number: From 0.
        settings: Those that are searched over.
        values: The means over seeds by column; None where the trial is not finished, or failed.
        failed: Why it failed; empty where it did not.
    """

    number: int
    settings: Mapping[str, Any]
    values: Mapping[str, float] | None
    failed: str = ""


class Search:
    """The trials of a search, in a folder that nobody else writes to.

    Args:
        out: The comparison's folder.
        spans: What is varied.
        aims: What is looked for.
        seeds: The seeds under which each trial is fitted.

    Raises:
        MissingPackageError: Optuna is not installed.
        FileExistsError: The folder holds another search.
        ValueError: Its journal is damaged.
    """

    def __init__(self, out: Path, spans: Sequence[Span | Values], aims: Sequence[Aim], seeds: Sequence[int]) -> None:
        self.spans, self.aims, self.seeds = tuple(spans), tuple(aims), tuple(seeds)
        self._out, self._file = out, out / JOURNAL
        self._optuna = wanted("optuna", "a search", "search")
        self._running: dict[int, Any] = {}  # Optuna's trials by number
        self._rows: dict[int, list[RunRow]] = {}
        self._failed: set[int] = set()
        directions = ["maximize" if aim.is_maximised else "minimize" for aim in self.aims]
        self._study = open_study(self._optuna, self._file, self.text, directions)

    @property
    def text(self) -> str:
        """What is looked for where, in one spelling."""
        aims = ", ".join(aim.text for aim in self.aims)
        return f"{aims} over {written(self.spans)} under seeds {','.join(map(str, self.seeds))}"

    def choices(self, fixed: Mapping[str, Any], trials: int) -> Iterator[Choice]:
        """The fits of all trials: those that were finished or begun before, and new ones up to a number.

        A new trial is proposed when it is asked for, from all that was taken until then.

        Args:
            fixed: The settings that are not searched over.
            trials: How many trials there are to be, with those that failed.
        """
        for number in range(max(trials, len(self._trials()))):
            settings = self._settings_of(number)
            for seed in self.seeds:
                if settings is not None and number not in self._failed:
                    folder = self._out / f"trial-{number:04d}-seed{seed}"
                    yield Choice(f"trial {number}", {**fixed, **settings, "seed": seed}, folder)

    def take(self, choice: Choice, row: RunRow | Exception) -> None:
        """Note what became of a fit; the trial is finished when all its seeds are.

        A trial that diverged, or whose settings do not go together, has failed. One that ended for reasons of the
        machine, a full disk or a killed process, stays open, and goes on with the next search here.
        """
        number = int(choice.label.removeprefix("trial "))
        trial = self._running.get(number)
        if trial is None:  # it was finished before
            return
        if isinstance(row, Exception):
            if not isinstance(row, OSError):
                self._fail(number, str(row) or type(row).__name__)
            return
        rows = self._rows.setdefault(number, [])
        rows.append(row)
        wrong = next((aim for aim in self.aims if not _is_number(aim.value(row))), None)
        if wrong is not None:
            value = wrong.value(row)
            self._fail(number, f"its {wrong.column} is {'not defined' if value is None else in_words(value)}")
        elif len(rows) == len(self.seeds):
            values = [mean(aim.value(each) or 0.0 for each in rows) for aim in self.aims]
            with self._quiet():
                self._study.tell(self._running.pop(number), values)

    def trials(self) -> list[Trial]:
        """All trials, in the order of their numbers."""
        return [self._trial(frozen) for frozen in self._trials()]

    def front(self) -> list[Trial]:
        """The best trials, by the first aim: the Pareto front, or where there is one aim, the best."""
        with self._quiet():
            best = [self._trial(frozen) for frozen in self._study.best_trials]
        first = self.aims[0]
        return sorted(best, key=lambda trial: (trial.values or {})[first.column], reverse=first.is_maximised)

    def importances(self) -> dict[str, dict[str, float]]:
        """For each column, the share of its variance over the searched space that each setting explains (fANOVA).

        Empty where fewer than five trials are finished; without columns that do not vary.

        Source: Hutter et al., An efficient approach for assessing hyperparameter importance, ICML 2014
        """
        finished = [trial for trial in self.trials() if trial.values is not None]
        if len(finished) < FEWEST:
            return {}
        varied = [aim for aim in self.aims if len({(trial.values or {})[aim.column] for trial in finished}) > 1]
        with self._quiet():
            return {aim.column: self._shares(self.aims.index(aim)) for aim in varied}

    def _shares(self, position: int) -> dict[str, float]:
        """The importances for the aim of that position, the largest first."""
        importance = self._optuna.importance
        evaluator = importance.FanovaImportanceEvaluator(seed=0)
        target = lambda trial: trial.values[position]  # noqa: E731
        shares = importance.get_param_importances(self._study, evaluator=evaluator, target=target)
        return {name: float(share) for name, share in shares.items()}

    def _settings_of(self, number: int) -> dict[str, Any] | None:
        """The settings of a trial, which is proposed if need be; None for one that failed."""
        states = self._optuna.trial.TrialState
        with self._quiet():
            frozen = self._trials()[number : number + 1]
            if frozen and frozen[0].state == states.FAIL:
                return None
            if frozen and frozen[0].state == states.COMPLETE:
                return self._read(frozen[0].params)
            self._study.sampler = self._sampler(number)
            trial = self._optuna.trial.Trial(self._study, frozen[0]._trial_id) if frozen else self._study.ask()
            self._running[trial.number] = trial
            return self._read({span.name: _proposed(trial, span) for span in self.spans})

    def _sampler(self, number: int) -> Any:
        """What proposes a trial, with random numbers of its own; trials that run count as bad, to be kept away from."""
        seed = np.random.SeedSequence([self.seeds[0], number]).generate_state(1)[0]
        return self._optuna.samplers.TPESampler(seed=int(seed), constant_liar=True)

    def _read(self, proposed: Mapping[str, Any]) -> dict[str, Any]:
        return {span.name: span.value(proposed[span.name]) for span in self.spans if span.name in proposed}

    def _fail(self, number: int, reason: str) -> None:
        trial = self._running.pop(number)
        self._failed.add(number)
        with self._quiet():
            trial.set_user_attr(REASON, reason)
            self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)

    def _trials(self) -> Sequence[Any]:
        trials: Sequence[Any] = self._study.get_trials(deepcopy=False)
        return trials

    def _trial(self, frozen: Any) -> Trial:
        values = frozen.values and {aim.column: value for aim, value in zip(self.aims, frozen.values, strict=True)}
        return Trial(frozen.number, self._read(frozen.params), values, frozen.user_attrs.get(REASON, ""))

    def _quiet(self) -> AbstractContextManager[None]:
        return quiet(self._optuna, self._file)


def search_all(
    search: Search,
    fixed: Mapping[str, Any],
    trials: int,
    particles: int,
    crew: Crew,
    metrics: Sequence[str] = (),
    callbacks: Sequence[Callback] = (),
    looking: Callable[[Sequence[Job]], None] | None = None,
) -> Generator[tuple[Choice, RunRow | Exception], None, None]:
    """Fit and measure the trials of a search, see `fits.run_all`; each is proposed when there is a worker for it.

    Args:
        search: The trials.
        fixed: The settings that are not searched over.
        trials: How many trials there are to be.
        particles: Draws for the importance-weighted bound.
        crew: Who fits.
        metrics: Scores to take, with those that the search looks at.
        callbacks: Passed to each fit, where the fits are in this process.
        looking: Called about twice a second with the jobs in hand.

    Yields:
        Each fit when it is done, and noted in the search, with its row or the error that ended it.
    """
    with closing(run_all(search.choices(fixed, trials), particles, crew, metrics, callbacks, looking)) as results:
        for choice, row in results:
            search.take(choice, row)
            yield choice, row


def _proposed(trial: Any, span: Span | Values) -> Any:
    """What Optuna proposes for a setting in a trial."""
    if isinstance(span, Values):
        return trial.suggest_categorical(span.name, span.texts)
    if span.is_whole:
        return trial.suggest_int(span.name, span.low, span.high, step=int(span.step or 1), log=span.is_log)
    return trial.suggest_float(span.name, span.low, span.high, step=span.step, log=span.is_log)


def _is_number(value: float | None) -> bool:
    return value is not None and isfinite(value)
