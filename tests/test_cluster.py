"""Workers of a dask cluster: who may work, what happens when one dies, and that runs end as they do alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Cli
from small_fits import KillOnce, same_checkpoint, small_choices, within

from pyro_bvae.comparison import run_all
from pyro_bvae.comparison.fits import fit_and_measure
from pyro_bvae.files import remove_abandoned
from pyro_bvae.sweeps import Cluster, Here, Reporting, StepsTaken, steps_taken, work_through
from pyro_bvae.sweeps.jobs import Job
from pyro_bvae.sweeps.members import Member, Newcomers, mark, misfit, too_many
from pyro_bvae.sweeps.serving_clients import versions

distributed = pytest.importorskip("distributed", reason="there is no dask: pip install 'pyro-bvae[cluster]'")


@pytest.fixture(scope="module")
def local() -> Iterator[Any]:
    """A scheduler and two workers of one thread."""
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster:
        yield cluster


def test_a_run_whose_worker_is_killed_ends_as_it_does_alone(local: Any, tmp_path: Path) -> None:
    shared, alone = (small_choices(tmp_path / name, [0, 1, 2]) for name in ("shared", "alone"))
    kill, seen = KillOnce(tmp_path), []
    with Cluster(local.scheduler_address, tmp_path) as crew:
        results = work_through(fit_and_measure, shared, crew, 0, (), (Reporting(), kill), looking=seen.extend)
        rows = [row for _, row in results]
        ((_, problem),) = work_through(time.sleep, ["a"], crew)
        assert isinstance(problem, TypeError)
    assert kill.count == 1
    assert [row.step for row in rows] == [60, 60, 60], rows
    assert {job.lost for job in seen} == {0, 1}
    with Here() as crew:
        assert len(list(run_all(alone, 0, crew))) == 3
    assert all(same_checkpoint(one, other) for one, other in zip(shared, alone, strict=True))
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_compare_takes_a_cluster_by_the_file_of_its_scheduler(local: Any, cli: Cli, here: Path) -> None:
    Path("scheduler.json").write_text(f'{{"address": "{local.scheduler_address}"}}')
    small = (
        "--hidden",
        4,
        "--latent-dim",
        2,
        "--image-size",
        8,
        "--steps",
        2,
        "--no-compile",
        "--beta",
        1,
        "--beta",
        2,
    )
    result = cli("compare", *small, "--cluster", "scheduler.json", "--out", "c", "--json")
    assert result.exit_code == 0, result.stderr
    assert "2/2 beta" in result.stderr
    assert [row["run"] for row in json.loads(result.stdout)["runs"]] == ["c/beta1-seed0", "c/beta2-seed0"]
    both = cli("compare", *small, "--cluster", "scheduler.json", "--jobs", 2, "--out", "c")
    assert (both.exit_code, "leave --jobs or --cluster out" in both.stderr) == (2, True)


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("nothing.json", "nothing.json is not there: a scheduler writes it, `dask scheduler --scheduler-file"),
        ("empty.json", "empty.json names no address"),
        ("tcp://127.0.0.1:1", "no scheduler answers at tcp://127.0.0.1:1: start `dask scheduler`"),
    ],
)
def test_a_cluster_that_is_not_there_is_named(
    where: str, said: str, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pyro_bvae.sweeps.cluster.SECONDS_TO_CONNECT", 0.5)
    Path("empty.json").write_text("{}")
    with pytest.raises((OSError, ValueError), match=said), Cluster(where):
        pass


def test_a_cluster_without_dask_names_what_installs_it(cli: Cli, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    result = cli("compare", "--steps", 2, "--image-size", 8, "--cluster", "tcp://node7:8786")
    assert (result.exit_code, "pip install 'pyro-bvae[cluster]'" in result.stderr) == (1, True)
    assert not Path("runs/comparison/comparison.json").exists()


def test_only_workers_that_will_do_are_taken(tmp_path: Path) -> None:
    about = {"host": "node7", "cores": [0], "count": 1, "versions": versions(), "sees": True}
    others = {**about, "versions": {**versions(), "torch": "1.0"}}
    assert misfit("tcp://a", about, versions(), tmp_path) is None
    assert "has torch 1.0, and this process 2." in str(misfit("tcp://a", others, versions(), None))
    assert f"does not see {tmp_path}" in str(misfit("tcp://a", {**about, "sees": False}, versions(), tmp_path))
    missing = ModuleNotFoundError("No module named 'pyro_bvae'")
    assert "has no pyro-bvae" in str(misfit("tcp://a", missing, versions(), None))
    assert too_many("tcp://a", 4).endswith("start it by `dask worker ... --nthreads 1`")
    with mark(tmp_path / "out") as file:
        assert remove_abandoned(tmp_path / "out") == []
        assert os.path.exists(file)
    assert list((tmp_path / "out").iterdir()) == []


def test_workers_share_the_cores_that_several_may_use() -> None:
    def member(number: int, host: str, cores: set[int]) -> Member:
        return Member(f"tcp://{number}", host, frozenset(cores), len(cores))

    all_of_one = [member(number, "a", {0, 1, 2, 3}) for number in range(2)]
    own_ones = [member(number, "b", {2 * number, 2 * number + 1}) for number in range(2, 4)]
    crowded = [member(number, "c", {0}) for number in range(4, 7)]
    crew = Cluster("tcp://a")
    crew._members = {each.address: each for each in (*all_of_one, *own_ones, *crowded)}
    assert [crew._share(each) for each in crew._members.values()] == [2, 2, 2, 2, 1, 1, 1]


class Breaking:
    """In the place of dask's client: the connection breaks while workers are told to save."""

    status = "running"

    def __init__(self, error: Exception) -> None:
        self.error = error

    def run(self, *_: Any, **__: Any) -> None:
        raise self.error


@pytest.mark.parametrize("error", [ConnectionResetError("by peer"), OSError(), RuntimeError()])
def test_a_scheduler_that_goes_while_fits_are_stopped_is_not_waited_for(error: Exception) -> None:
    crew = Cluster("tcp://a")
    crew._client = Breaking(error)
    busy = Member("tcp://1", "a", frozenset({0}), 1, job=Job({}))
    crew._members = {busy.address: busy}
    crew.stop()
    assert busy.job is None


class Introducing:
    """In the place of dask's client: workers say of themselves what they are told to."""

    def __init__(self, **about: Any) -> None:
        self.about = about

    def run(self, *_: Any, workers: list[str], **__: Any) -> dict[str, Any]:
        return {address: self.about[address] for address in workers}


def test_a_worker_that_will_not_do_ends_the_start_and_is_named_later() -> None:
    fit = {"host": "node7", "cores": [0, 1], "count": 2, "versions": versions(), "sees": True}
    client = Introducing(a=fit, b={**fit, "sees": False}, c=OSError("has left"))
    newcomers = Newcomers(client, None)
    with pytest.raises(ValueError, match="the worker d has 2 threads, and runs one fit at a time"):
        newcomers.first({"a": 1, "d": 2})
    newcomers = Newcomers(client, None)
    assert [member.address for member in newcomers.first({"a": 1, "c": 1})] == ["a"]
    with pytest.warns(RuntimeWarning, match="the worker b on node7 does not see None.*it gets no runs"):
        look_until_one_is_refused(newcomers)
    assert newcomers.look({"a": 1, "b": 1}, ["a"]) == []
    newcomers.look({"a": 1}, ["a"])
    assert newcomers._refused == {}


def look_until_one_is_refused(newcomers: Newcomers) -> None:
    while not newcomers._refused:
        assert newcomers.look({"a": 1, "b": 1}, ["a"]) == []


@pytest.fixture
def started(here: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts ``python -m ...`` in the folder; what still runs at the end is killed."""
    processes: list[subprocess.Popen[str]] = []

    def start(*words: str) -> subprocess.Popen[str]:
        errors = subprocess.DEVNULL if words[0] == "dask" else subprocess.PIPE
        processes.append(subprocess.Popen([sys.executable, "-m", *words], stderr=errors, text=True))
        return processes[-1]

    yield start
    for process in processes:
        process.terminate()
        process.communicate(timeout=30)


@pytest.mark.slow
@pytest.mark.parametrize("whom", ["command", "worker", "scheduler"])
def test_runs_save_when_the_command_the_worker_or_the_scheduler_is_ended(
    whom: str, started: Callable[..., subprocess.Popen[str]]
) -> None:
    end = signal.SIGKILL if whom == "scheduler" else signal.SIGTERM if whom == "worker" else signal.SIGINT
    scheduler = started("dask", "scheduler", "--scheduler-file", "s.json", "--port", "0", "--dashboard-address", ":0")
    worker = started("dask", "worker", "--scheduler-file", "s.json", "--nthreads", "1", "--no-dashboard")
    assert within(60, Path("s.json").is_file)
    small = ["--hidden", "8", "--latent-dim", "2", "--image-size", "8", "--no-compile", "--no-figures"]
    long = ["--steps", "1000000", "--checkpoint-every", "1000000", "--eval-every", "1000000"]
    command = started("pyro_bvae_cli", "compare", *small, *long, "--cluster", "s.json", "--out", "c")
    run = Path("c/bernoulli-seed0")
    assert within(120, lambda: (steps_taken(run) or StepsTaken(0, 0, 0.0)).step > 0)
    {"command": command, "worker": worker, "scheduler": scheduler}[whom].send_signal(end)
    assert within(60, (run / "checkpoint.pt").is_file)
    if whom != "worker":
        said = command.communicate(timeout=60)[1].splitlines()[-1]
        expected = {"command": (130, "stopped, all saved; go on with: "), "scheduler": (1, "Error: the scheduler at s")}
        code, line = expected[whom]
        assert (command.returncode, said.startswith(line)) == (code, True), said
