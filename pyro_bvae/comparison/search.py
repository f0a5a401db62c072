"""A search: trials of settings, each proposed by Optuna from what the earlier ones gave.

A trial is one combination of settings, fitted under each seed; its values are means over the seeds. They are proposed
by the tree-structured Parzen estimator, also for several aims, and the best are those of the Pareto front: no other
trial is as good in all aims and better in one.

The journal, `search.log` in the folder of the comparison, is Optuna's own. It holds a study whose name says what is
looked for where, and what was proposed and measured. A trial that was running when its process was killed goes on under
its number. Another process that searches here takes other trials, and waits for those that are being fitted.

What is proposed depends on the journal and the first seed alone, so that a search of one run at a time gives the same
trials however often it was stopped.

Source: Bergstra et al., Algorithms for hyper-parameter optimization, NeurIPS 2011; Ozaki et al., Multiobjective
tree-structured Parzen estimator, https://doi.org/10.1613/jair.1.13188; Akiba et al., Optuna,
https://arxiv.org/abs/1907.10902
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache, partial
from math import isfinite, nan
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from .. import plots
from ..settings.searched import Span, Values, as_typed, written
from ..settings.shown import in_words
from ..sweeps import Crew, Job
from ..training import Callback
from .aims import Aim
from .choices import Choice, as_column, read_once
from .fits import run_all
from .journal import JOURNAL, Journal
from .proposals import propose, sampler_of
from .rows import RunRow

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Search", "Trial", "search_all"]

FEWEST = 5  # trials, below which nothing is said about the importance of settings
REASON = "failed"  # the attribute of a failed trial that says why
TWIN = "as"  # and of one that repeats the settings of another, its number


@dataclass(frozen=True)
class Trial:
    """One combination of settings.

    Attributes:
        number: From 0.
        settings: Those that are searched over.
        values: The means over seeds by column; None where the trial is not finished, or failed.
        failed: Why it failed; empty where it did not.
        twin: The earlier trial of the same settings, whose values it has without being fitted; None for all others.
    """

    number: int
    settings: Mapping[str, Any]
    values: Mapping[str, float] | None
    failed: str = ""
    twin: int | None = None


class Search:
    """The trials of a search in a folder. Several processes may work on them at the same time.

    Args:
        out: The comparison's folder, which is there.
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
        self._out = out
        self._running: dict[Path, Any] = {}  # Optuna's trial of each fit
        self._rows: dict[int, list[RunRow]] = {}
        directions = ["maximize" if aim.is_maximised else "minimize" for aim in self.aims]
        self._journal = Journal(out / JOURNAL, self.text, directions)

    @property
    def text(self) -> str:
        """What is looked for where, in one spelling."""
        aims = ", ".join(aim.text for aim in self.aims)
        return f"{aims} over {written(self.spans)} under seeds {','.join(map(str, self.seeds))}"

    def choices(self, fixed: Mapping[str, Any], trials: int, changed_program: bool = False) -> Iterator[Choice]:
        """The fits of all trials: those that were finished or begun before, and new ones up to a number.

        A new trial is proposed when it is asked for, from all that was noted until then.

        Args:
            fixed: The settings that are not searched over.
            trials: How many trials there are to be, with those that failed.
            changed_program: See `choices_of`.
        """
        read = cache(partial(read_once, may_differ=changed_program))
        number = 0
        while (trial := self._next(number, trials)) is not None:
            for seed in self.seeds:
                if self._is_to_be_fitted(number):
                    folder = self._out / f"trial-{number:04d}-seed{seed}"
                    self._running[folder] = trial
                    settings = self._settings(trial.params)
                    varied = {name: as_column(value) for name, value in settings.items()}
                    settings = {**fixed, **settings, "seed": seed}
                    yield Choice(f"trial {number}", settings, folder, varied, read(settings.get("program")))
            number += 1

    def fits(self, trials: int) -> int:
        """How many fits `choices` has at most, where nobody else searches here."""
        there = self.trials()
        unfitted = sum(bool(trial.failed) or trial.twin is not None for trial in there)
        return len(self.seeds) * (max(trials, len(there)) - unfitted)

    def note(self, choice: Choice, row: RunRow | Exception) -> None:
        """Note what became of a fit; the trial is finished when all its seeds are.

        A trial that diverged, or whose settings do not go together, has failed. For Optuna it was pruned: it keeps away
        from pruned trials, and forgets failed ones, so that it would propose the like again. A trial that the machine
        ended, by a full disk or a killed process, stays open, and goes on with the next search here.
        """
        trial = self._running.pop(choice.folder)
        if isinstance(row, Exception):
            if not isinstance(row, OSError):
                self._fail(trial, str(row) or type(row).__name__)
            return
        rows = self._rows.setdefault(trial.number, [])
        rows.append(row)
        values = [[aim.value(each) for each in rows] for aim in self.aims]
        for aim, of_aim in zip(self.aims, values, strict=True):
            if of_aim[-1] is None or not isfinite(of_aim[-1]):
                what = "not defined" if of_aim[-1] is None else in_words(of_aim[-1])
                self._fail(trial, f"its {aim.column} is {what}")
                return
        if len(rows) == len(self.seeds):
            with self._journal.writing():
                means = [fmean(value or 0.0 for value in of_aim) for of_aim in values]
                self._journal.study.tell(trial.number, means, skip_if_finished=True)

    def trials(self) -> list[Trial]:
        """All trials, in the order of their numbers."""
        with self._journal.reading():
            return [self._trial(frozen) for frozen in self._journal.trials()]

    def front(self) -> list[Trial]:
        """The best trials, by the first aim: the Pareto front, or where there is one aim, the best."""
        with self._journal.reading():
            best = [self._trial(frozen) for frozen in self._journal.study.best_trials]
        best, first = [trial for trial in best if trial.twin is None], self.aims[0]
        return sorted(best, key=lambda trial: (trial.values or {})[first.column], reverse=first.is_maximised)

    def importances(self) -> dict[str, dict[str, float]]:
        """For each column, the share of its variance over the searched space that each setting explains (fANOVA).

        Empty where fewer than five trials are finished; without columns that do not vary.

        Source: Hutter et al., An efficient approach for assessing hyperparameter importance, ICML 2014
        """
        finished = [trial.values for trial in self.trials() if trial.values is not None]
        if len(finished) < FEWEST:
            return {}
        varied = [aim for aim in self.aims if len({values[aim.column] for values in finished}) > 1]
        with self._journal.reading():
            return {aim.column: self._shares(self.aims.index(aim)) for aim in varied}

    def figures(self) -> dict[str, Figure]:
        """The figure ``pareto``, of one aim ``best``, and ``importances``; as far as there is something to draw."""
        trials, front = self.trials(), [trial.number for trial in self.front()]
        if not front:
            return {}
        table = {aim.column: [(trial.values or {}).get(aim.column, nan) for trial in trials] for aim in self.aims}
        maximised = [aim.column for aim in self.aims if aim.is_maximised]
        drawn = {"pareto" if len(table) > 1 else "best": plots.pareto(table, front, maximised)}
        shares = {aim: {as_typed(name): share for name, share in of_aim.items()}
                  for aim, of_aim in self.importances().items()}  # fmt: skip
        return drawn | ({"importances": plots.importances(shares)} if shares else {})

    def _next(self, number: int, trials: int) -> Any:
        """The trial of that number, which is proposed if need be; None where there are so many already."""
        journal = self._journal
        with journal.writing():
            there = journal.trials()
            if number >= max(trials, len(there)):
                return None
            if number < len(there) and there[number].state.is_finished():
                return there[number]
            journal.study.sampler = sampler_of(journal.optuna, self.seeds[0], number, there)
            trial = journal.trial(number) if number < len(there) else journal.study.ask()
            for span in self.spans:
                propose(trial, span)
            self._tell_twin(trial, there)
            return trial

    def _tell_twin(self, trial: Any, others: Sequence[Any]) -> None:
        """Tell a trial at once what became of another one with the same settings, if there is one."""
        settings, states = self._settings(trial.params), self._journal.states
        alike = (other for other in others if other.state.is_finished() and self._settings(other.params) == settings)
        twin = next(alike, None)
        if twin is not None:
            trial.set_user_attr(TWIN, twin.user_attrs.get(TWIN, twin.number))
            if twin.state == states.PRUNED:
                trial.set_user_attr(REASON, twin.user_attrs.get(REASON, ""))
            self._journal.study.tell(trial.number, twin.values, twin.state)

    def _is_to_be_fitted(self, number: int) -> bool:
        trial = self._journal.trials()[number]
        return trial.state != self._journal.states.PRUNED and TWIN not in trial.user_attrs

    def _fail(self, trial: Any, reason: str) -> None:
        with self._journal.writing():
            if not self._journal.trials()[trial.number].state.is_finished():
                trial.set_user_attr(REASON, reason)
                self._journal.study.tell(trial.number, state=self._journal.states.PRUNED)

    def _settings(self, proposed: Mapping[str, Any]) -> dict[str, Any]:
        return {span.name: span.value(proposed[span.name]) for span in self.spans if span.name in proposed}

    def _trial(self, frozen: Any) -> Trial:
        values = frozen.values and {aim.column: value for aim, value in zip(self.aims, frozen.values, strict=True)}
        notes = frozen.user_attrs
        return Trial(frozen.number, self._settings(frozen.params), values, notes.get(REASON, ""), notes.get(TWIN))

    def _shares(self, position: int) -> dict[str, float]:
        """The importances for the aim of that position, the largest first."""
        importance = self._journal.optuna.importance
        shares = importance.get_param_importances(
            self._journal.study,
            evaluator=importance.FanovaImportanceEvaluator(seed=0),
            target=lambda trial: trial.values[position],
        )
        return {name: float(share) for name, share in shares.items()}


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
            search.note(choice, row)
            yield choice, row
