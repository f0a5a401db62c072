"""Workers that are killed.

A comparison whose workers are killed at random, again and again, ends with the runs that the same fits give alone:
their checkpoints and histories are equal bit for bit.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path

from .kills import content, differing
from .world import run

BETAS = ["--beta", "1", "--beta", "2", "--beta", "4", "--beta", "8"]
SMALL = ["--hidden", "8", "--latent-dim", "2", "--image-size", "8", "--threads", "1", "--no-figures"]
OFTEN = ["--checkpoint-every", "20", "--eval-every", "100"]
# a run may lose three workers: two while it is fitted, and one before or after, when nobody sees whose that is
MOST_LOST, MOST_LOST_UNSEEN = 2, 1
MOST_SECONDS = 1800
NAMESPACES = {"pyro-bvae-1": "10.77.0.1", "pyro-bvae-2": "10.77.0.2"}  # of the network, and their addresses
PORT = 8786


class NotPermitted(Exception):  # noqa: N818
    """A crew cannot be had on this machine."""


@contextmanager
def on_this_machine() -> Iterator[tuple[list[str], list[str]]]:
    """Two processes of this machine, without dask.

    Yields:
        Words that come before the command, and its options.
    """
    yield [], ["--jobs", "2"]


@contextmanager
def in_a_cluster() -> Iterator[tuple[list[str], list[str]]]:
    """A dask cluster of two workers."""
    try:
        import dask
        from distributed import LocalCluster
    except ModuleNotFoundError as error:
        raise NotPermitted("there is no dask: pip install 'pyro-bvae[cluster]'") from error
    with (
        dask.config.set({"distributed.deploy.lost-worker-timeout": "300s"}),  # 15 s are few to import torch in
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
    ):
        yield [], ["--cluster", cluster.scheduler_address]


@contextmanager
def in_two_networks() -> Iterator[tuple[list[str], list[str]]]:
    """A dask cluster in two network namespaces: scheduler and one worker in the first, another worker in the second."""
    first, second = NAMESPACES
    address = f"tcp://{NAMESPACES[first]}:{PORT}"
    inside = {name: ["ip", "netns", "exec", name, sys.executable, "-m", "dask"] for name in NAMESPACES}
    scheduler = [*inside[first], "scheduler", "--host", NAMESPACES[first], "--port", str(PORT), "--no-dashboard"]
    workers = [
        [*inside[name], "worker", address, "--host", NAMESPACES[name], "--nthreads", "1", "--no-dashboard"]
        for name in NAMESPACES
    ]
    with ExitStack() as ending:
        for name in NAMESPACES:
            _ip("netns", "add", name)
            ending.callback(_ip, "netns", "del", name)
        _ip("-n", first, "link", "add", "there", "type", "veth", "peer", "name", "back", "netns", second)
        for (name, own), link in zip(NAMESPACES.items(), ("there", "back"), strict=True):
            _ip("-n", name, "addr", "add", f"{own}/24", "dev", link)
            _ip("-n", name, "link", "set", link, "up")
            _ip("-n", name, "link", "set", "lo", "up")
        log = ending.enter_context(open("dask.log", "w"))
        quiet = {**os.environ, "DASK_LOGGING__DISTRIBUTED": "warning"}
        for command in (scheduler, *workers):
            ending.callback(_end, subprocess.Popen(command, stdout=log, stderr=log, env=quiet))
        yield ["ip", "netns", "exec", first], ["--cluster", address]


def _ip(*words: str) -> None:
    try:
        subprocess.run(["ip", *words], check=True, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise NotPermitted("there is no ip: apt-get install -y iproute2") from error
    except subprocess.CalledProcessError as error:
        raise NotPermitted(f"network namespaces cannot be made here: {error.stderr.strip()}") from error


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(30)
    process.kill()
    process.wait()


CREWS: dict[str, Callable[[], AbstractContextManager[tuple[list[str], list[str]]]]] = {
    "jobs": on_this_machine,
    "cluster": in_a_cluster,
    "namespaces": in_two_networks,
}


def workers(
    crew: str, settings: list[str], seeds: str, every: float, choose: random.Random, figures: Counter[str]
) -> Iterator[str]:
    """Kill the workers of a comparison in the working folder; yields a line for each run that ended otherwise.

    Args:
        crew: Who works, one of `CREWS`.
        settings: Of all fits, as they are typed.
        seeds: Likewise.
        every: Seconds from one kill to the next, on average.
        choose: Whom to kill, and when.
        figures: What happened is counted here.

    Raises:
        NotPermitted: Such a crew cannot be had here.
    """
    fits = [*SMALL, *OFTEN, *settings]
    with CREWS[crew]() as (before, options), open("log", "w") as log:
        command = [*before, sys.executable, "-m", "pyro_bvae_cli", "compare", *fits, *BETAS, "--seeds", seeds]
        start = time.monotonic()
        with subprocess.Popen([*command, *options, "--out", "killed"], stdout=log, stderr=log) as compare:
            try:
                _kill(compare, every, choose, figures)
            finally:
                compare.kill()
    figures["seconds"] = round(time.monotonic() - start)
    if compare.returncode:
        said = "".join(file.read_text()[-2000:] for file in (Path("log"), Path("dask.log")) if file.is_file())
        yield f"the comparison ended with {compare.returncode}: {said}"
    names = [f"beta{beta}-seed{seed}" for beta in BETAS[1::2] for seed in seeds.split(",")]
    for name in names:
        killed, alone = Path("killed", name), Path("alone", name)
        if not (killed / "config.json").is_file():
            yield f"{name} is not there"
            continue
        status, output = run(["fit", "--config", str(killed / "config.json"), *fits, "--out", str(alone)])
        assert status == 0, output
        ours, expected = content(killed), content(alone)
        figures["fits"] += 1
        yield from (
            f"{name} differs in {file} {differing(ours.get(file), expected[file])}"
            for file in ("checkpoint.pt", "history.jsonl")
            if ours.get(file) != expected[file]
        )


def _kill(compare: subprocess.Popen[bytes], every: float, choose: random.Random, figures: Counter[str]) -> None:
    """Kill workers until a comparison has ended, except those whose run has lost as many as it may."""
    lost: Counter[str] = Counter()
    ready: set[int] = set()  # workers that have begun a fit; dask starts none anew that dies before
    deadline = time.monotonic() + MOST_SECONDS
    while time.monotonic() < deadline:
        with suppress(subprocess.TimeoutExpired):
            compare.wait(choose.uniform(0.5, 1.5) * every)
            return
        holders = _holders(Path("killed"))
        ready |= holders.keys()
        runs = {worker: holders.get(worker, "") for worker in _workers_below(os.getpid()) & ready}
        victims = [worker for worker, run in runs.items() if lost[run] < (MOST_LOST if run else MOST_LOST_UNSEEN)]
        if victims:
            victim = choose.choice(sorted(victims))
            with suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
            lost[runs[victim]] += 1
            figures["kills"] += 1
            figures["kills in a fit"] += bool(runs[victim])


def _holders(out: Path) -> dict[int, str]:
    """Which process holds which run, as their locks say; those of dead processes too."""
    holders = {}
    for lock in out.glob("*/.lock"):
        with suppress(OSError, ValueError, KeyError):
            holders[json.loads(lock.read_text())["process"]] = lock.parent.name
    return holders


def _workers_below(process: int) -> set[int]:
    """The processes that Python has spawned below a process: workers of a comparison, or of dask."""
    below: set[int] = set()
    with suppress(OSError):
        for thread in Path(f"/proc/{process}/task").iterdir():
            for child in map(int, (thread / "children").read_text().split()):
                below |= _workers_below(child)
                with suppress(OSError):
                    below |= {child} if "spawn_main" in Path(f"/proc/{child}/cmdline").read_text() else set()
    return below
