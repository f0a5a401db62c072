"""A dask worker that dies after its work, and before its result is fetched, is a worker lost, and not the scheduler."""

from __future__ import annotations

import os
import signal
import threading
import time
from types import SimpleNamespace

import pytest

from pyro_bvae.sweeps import Cluster, Job, LostWorkerError

distributed = pytest.importorskip("distributed", reason="there is no dask: pip install 'pyro-bvae[cluster]'")


def work_and_die_soon(seconds: float) -> str:
    threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGKILL)).start()
    return "done"


@pytest.mark.slow
def test_a_result_that_dies_with_its_worker_is_a_lost_worker() -> None:
    with (
        distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as local,
        Cluster(local.scheduler_address) as crew,
    ):
        crew.start(Job(0.5), work_and_die_soon)
        future = crew._members[next(iter(crew._members))].future
        while future.status != "lost":
            time.sleep(0.05)
        ended = [outcome for _ in range(20) for _, outcome in crew.ended(0.5)]
    assert [type(outcome) for outcome in ended] == [LostWorkerError]


def test_a_result_that_is_lost_while_the_scheduler_answers_is_a_lost_worker() -> None:
    crew = Cluster("tcp://node7:8786")
    crew._client, crew._distributed = SimpleNamespace(status="running"), distributed
    outcome, _ = crew._answer_of(SimpleNamespace(status="lost"))
    assert isinstance(outcome, LostWorkerError)
    assert str(outcome) == "its worker was killed (before its result was fetched)"


@pytest.mark.parametrize("future", ["lost", "cancelled", "finished"])
def test_a_connection_that_is_broken_is_no_lost_worker(future: str) -> None:
    crew = Cluster("tcp://node7:8786")
    crew._client = SimpleNamespace(status="closed")
    with pytest.raises(ConnectionError, match="the scheduler at tcp://node7:8786 is gone"):
        crew._answer_of(SimpleNamespace(status=future))
