"""Many tasks for several workers: who gets which, what happens when one dies, and what is said of it."""

from __future__ import annotations

import os
import pickle
import sys
import warnings
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from pyro_bvae_cli import board as board_of_fits
from pyro_bvae_cli.board import Board
from pyro_bvae_cli.sweeping import how_it_stopped
from small_fits import KillOnce, same_checkpoint, small_choices

from pyro_bvae import Callback
from pyro_bvae.comparison import run_all
from pyro_bvae.comparison.fits import fit_and_measure
from pyro_bvae.files import LOCK, HeldError, LostError, locks
from pyro_bvae.files.heartbeats import Sign
from pyro_bvae.runs.folder import RunFolder
from pyro_bvae.runs.names import PROGRESS
from pyro_bvae.runs.run import Run
from pyro_bvae.sweeps import (
    Here,
    Job,
    LostWorkerError,
    NotAwaited,
    Reporting,
    StepsTaken,
    progress,
    steps_taken,
    work_through,
)
from pyro_bvae.sweeps import working as loop
from pyro_bvae.sweeps.serving import answer
from pyro_bvae.sweeps.shares import own_share
from pyro_bvae.training import Training


class Scripted:
    """A crew of two whose jobs end as a script says, in turn."""

    in_this_process = False

    def __init__(self, *outcomes: Any, workers: int = 2) -> None:
        self.outcomes, self.workers = list(outcomes), workers
        self.has: list[Job] = []
        self.began: list[Any] = []
        self.is_stopped = False

    def __enter__(self) -> Scripted:
        return self

    def __exit__(self, *_: Any) -> None:
        pass

    def is_free(self) -> bool:
        return len(self.has) < self.workers

    def start(self, job: Job, *_: Any) -> None:
        self.has.append(job)
        self.began.append(job.task)

    def ended(self, seconds: float) -> list[tuple[Job, Any]]:
        if self.has and seconds:
            return [(self.has.pop(0), self.outcomes.pop(0) if self.outcomes else None)]
        return []

    def stop(self) -> None:
        self.is_stopped = True
        self.has = []


def test_tasks_are_asked_for_when_a_worker_is_free_and_results_are_taken() -> None:
    asked: list[int] = []
    taken: list[int] = []

    def tasks() -> Iterator[int]:
        for number in range(5):
            asked.append(len(taken))
            yield number

    for task, _ in work_through(print, tasks(), Scripted()):
        taken.append(task)
    assert taken == [0, 1, 2, 3, 4]
    assert asked == [0, 0, 1, 2, 3]


def test_a_task_whose_worker_dies_is_begun_again_three_times() -> None:
    crew = Scripted(*[LostWorkerError("its process was killed")] * 3, "well", workers=1)
    assert list(work_through(print, ["a"], crew)) == [("a", "well")]
    assert crew.began == ["a"] * 4
    crew = Scripted(*[LostWorkerError("its process was killed")] * 4, "well", workers=1)
    (_, problem), other = work_through(print, ["a", "b"], crew)
    assert isinstance(problem, ChildProcessError)
    assert "its process was killed, and so were those of 3 more tries" in str(problem)
    assert other == ("b", "well")


def test_an_error_of_the_task_itself_is_not_tried_again() -> None:
    crew = Scripted(FloatingPointError("the loss is NaN"), workers=1)
    ((_, problem),) = work_through(print, ["a"], crew)
    assert (type(problem), crew.began) == (FloatingPointError, ["a"])


@pytest.mark.parametrize("error", [HeldError, LostError])
def test_a_folder_that_another_process_writes_is_waited_for(
    error: type[OSError], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "SECONDS_UNTIL_FREE", 0.0)
    seen: list[str] = []
    crew = Scripted(error("a is being written by process 7"), "b is well", "a is well", workers=1)
    results = work_through(print, ["a", "b"], crew, looking=lambda jobs: seen.extend(job.waits_for for job in jobs))
    assert [*results] == [("a", "b is well"), ("b", "a is well")]
    assert "a is being written by process 7" in seen
    taken_over = LostError("a was taken over by process 7")
    assert [*work_through(print, ["a"], Scripted(taken_over, "well", workers=1))] == [("a", "well")]


def test_what_a_worker_warned_of_is_a_warning_here() -> None:
    with pytest.warns(RuntimeWarning, match="look out"):
        loop._warn(Job("a", notes=["look out"]))


def test_who_takes_no_more_stops_the_others() -> None:
    crew, seen = Scripted(), []
    results = work_through(print, range(4), crew, looking=lambda jobs: seen.append([job.stops for job in jobs]))
    next(results)
    results.close()
    assert (crew.is_stopped, crew.began) == (True, [0, 1])
    assert seen[-1] == [True]


class TwoWordError(ValueError):
    def __init__(self, one: str, other: str) -> None:
        super().__init__(f"{one} {other}")


class ClosedError(Exception):
    def __init__(self) -> None:
        super().__init__("cannot be copied")
        self.what = lambda: None


def fail(kind: str) -> None:
    raise {"two": lambda: TwoWordError("much", "ado"), "closed": ClosedError, "held": lambda: HeldError("x")}[kind]()


def test_errors_cross_processes_and_say_the_same() -> None:
    kinds = {
        "two": (ValueError, "much ado"),
        "closed": (RuntimeError, "ClosedError: cannot be copied"),
        "held": (HeldError, "x"),
    }
    for kind, (expected, said) in kinds.items():
        error, notes = pickle.loads(answer(pickle.dumps((fail, kind, ()))))
        assert isinstance(error, expected)
        assert (str(error), notes) == (said, [])
    lost, _ = pickle.loads(answer(b"no pickle"))
    assert isinstance(lost, Exception)


def test_warnings_cross_processes() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        result, notes = pickle.loads(answer(pickle.dumps((warnings.warn, "look out", ()))))
    assert (result, notes) == (None, ["look out"])


def test_a_worker_takes_its_share_whatever_its_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    before = torch.get_num_threads()
    with own_share(3):
        assert (torch.get_num_threads(), "OMP_NUM_THREADS" in os.environ) == (3, False)
    assert (torch.get_num_threads(), os.environ["OMP_NUM_THREADS"]) == (before, "1")


def test_a_run_whose_worker_is_killed_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    shared, alone = (small_choices(tmp_path / name, [0, 1]) for name in ("shared", "alone"))
    kill, seen = KillOnce(tmp_path), []
    with Here(2) as crew:
        results = work_through(fit_and_measure, shared, crew, 0, (), (Reporting(), kill), looking=seen.extend)
        rows = [row for _, row in results]
    assert kill.count == 1
    assert [row.step for row in rows] == [60, 60], rows
    assert {job.lost for job in seen} == {0, 1}
    with Here() as crew:
        assert len(list(run_all(alone, 0, crew))) == 2
    assert all(same_checkpoint(one, other) for one, other in zip(shared, alone, strict=True))
    assert not list(tmp_path.rglob(".progress.json"))


def test_a_fit_says_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_REPORTS", 0.0)
    (choice,), seen = small_choices(tmp_path, [0]), []

    class Look(Callback):
        def on_step(self, training: Training) -> None:  # noqa: ARG002
            seen.append(steps_taken(choice.folder))

    fit_and_measure(choice, 0, (), (Reporting(), Look()))
    assert [taken.step for taken in seen] == [*range(1, 61)]
    assert {taken.total for taken in seen} == {60}
    assert all(taken.loss > 0 for taken in seen)
    assert [taken.elbo is None for taken in seen] == [step <= 15 for step in range(1, 61)]
    assert steps_taken(choice.folder) is None


def test_an_error_before_the_first_report_is_said_as_it_is(tmp_path: Path) -> None:
    (choice,) = small_choices(tmp_path, [0], figures=True, traverse_count=500)
    with pytest.raises(ValueError, match="traversals are to start from 500 held-out data"):
        fit_and_measure(choice, 0, (), (Reporting(),))


def test_a_stopped_sweep_names_the_command_that_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["pyro-bvae", "compare", "--out", "my runs"])
    assert how_it_stopped(KeyboardInterrupt()) == "stopped, all saved; go on with: pyro-bvae compare --out 'my runs'"
    assert how_it_stopped(NotAwaited()).startswith("stopped at once; checkpoints are kept; go on with: pyro-bvae comp")


def test_the_board_calls_for_workers_once(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board_of_fits, "SECONDS_ALONE", 0.0)
    monkeypatch.setattr(board_of_fits, "SECONDS_BETWEEN_LOOKS", 0.0)
    with closing(Board(1, in_this_process=False)) as board:
        for _ in range(3):
            board.look([])
    assert capsys.readouterr().err.count("no worker is there yet") == 1


def test_the_board_says_how_many_wait_run_and_failed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second, *_ = small_choices(tmp_path, [0, 1, 2, 3])
    board, job = Board(4, in_this_process=False), Job(first, worker="process 7")
    board.look([job])
    board.running = {job: StepsTaken(step=500, total=1000, seconds=30.0, elbo=-100.0)}
    assert board.summary() == "0/4 done, 1 running, 3 waiting, 03:30 left"
    board.end(second, ValueError("no"))
    assert board.summary() == "1/4 done, 1 running, 2 waiting, 1 failed, 02:30 left"
    job.lost, job.waits_for, job.worker = 1, "its process was killed", ""
    board.look([job])
    job.stops = True
    board.look([job])
    said = capsys.readouterr().err
    assert "Ctrl-C again" not in said  # it has no worker that could be saving
    job.worker = "process 8"
    board.look([job])
    board.close()
    said += capsys.readouterr().err
    assert "1/4 bernoulli, seed 1 failed\n" in said
    assert "bernoulli, seed 0: its process was killed; it goes on elsewhere\n" in said
    assert "Ctrl-C again" in said


def test_a_run_is_taken_over_from_a_process_that_is_suspended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "PATIENCE", 0.3)
    monkeypatch.setattr(locks, "SECONDS_TO_SETTLE", 0.1)
    (choice,) = small_choices(tmp_path, [0])
    choice.folder.mkdir()
    with open(choice.folder / LOCK, "wb") as suspended:  # which has the system's lock, and raises no counter
        suspended.write(Sign.new().encoded(3))
        suspended.flush()
        locks.lock(suspended.fileno())
        assert fit_and_measure(choice, 0, (), ()).step == 60
    assert not (choice.folder / LOCK).exists()


class TakenOver(Callback):
    """In the middle, another process takes the run over, and says how far it is."""

    def on_start(self, run: Run, training: Training) -> None:  # noqa: ARG002
        assert run.path is not None
        self.path = run.path

    def on_step(self, training: Training) -> None:
        if training.step == 31:
            (self.path / "other").write_bytes(replace(Sign.new(), token="another").encoded(0))
            os.replace(self.path / "other", self.path / LOCK)
            (self.path / PROGRESS).write_text("of the other")
        self.last = training.step


def test_a_fit_that_was_taken_over_ends_at_its_next_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_REPORTS", 0.0)
    (choice,), taken = small_choices(tmp_path, [0]), TakenOver()
    with pytest.raises(LostError, match=f"was taken over by process {os.getpid()} "):
        fit_and_measure(choice, 0, (), (Reporting(), taken))
    assert taken.last == 31
    assert (choice.folder / PROGRESS).read_text() == "of the other"
    assert [record["step"] for record in RunFolder(choice.folder).read_history()] == [15, 30]
