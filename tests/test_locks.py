"""A lock has one holder, on one machine and on several; and who has lost it writes no more."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import history_line

from pyro_bvae import load_run
from pyro_bvae.files import (
    LOCK,
    HeldError,
    LostError,
    atomic_write,
    check_lock,
    held_folder,
    locked,
    write_csv,
    write_json,
    writing,
)
from pyro_bvae.files import heartbeats as heartbeats_module
from pyro_bvae.files import locks as locks_module
from pyro_bvae.files.heartbeats import Sign, this_machine
from pyro_bvae.plots.pictures import optional
from pyro_bvae.runs.folder import RunFolder
from pyro_bvae.runs.run import Run

ELSEWHERE = Sign(7, "elsewhere", "pyro-bvae fit", "another machine", "token")
OLDER = {"process": 7, "host": "elsewhere", "command": "pyro-bvae fit"}
SOON = {"SECONDS_BETWEEN_LOOKS": 0.005, "SECONDS_TO_SETTLE": 0.3, "PATIENCE": 1.0}
PREPARE = f"""
    import os, sys, time
    from contextlib import suppress
    from pathlib import Path
    from pyro_bvae.files import LostError, heartbeats, held_folder, locked, locks, write_json
    vars(locks).update({SOON})
    heartbeats.SECONDS_BETWEEN_BEATS = 0.1
    def no_locks(descriptor):
        raise OSError(37, "No locks available")
"""
TAKE_TURNS = """
    def once():
        with locked(Path("lock"), "it", lambda _: None):
            os.close(os.open("inside", os.O_CREAT | os.O_EXCL))
            with open("turns", "a") as file:
                file.write(f"{os.getpid()}\\n")
            os.unlink("inside")
    print("ready", flush=True)
    for _ in range(int(input())):
        once()
"""


@contextmanager
def process(script: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that runs a script in a folder, from where it says that it is ready."""
    command = [sys.executable, "-c", textwrap.dedent(PREPARE) + textwrap.dedent(script)]
    running = subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert running.stdout is not None
        assert running.stdout.readline() == "ready\n"
        yield running
    finally:
        running.kill()
        running.communicate()


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Holders beat, and those who wait lose their patience, sooner than they do."""
    for name, seconds in SOON.items():
        monkeypatch.setattr(locks_module, name, seconds)
    monkeypatch.setattr(heartbeats_module, "SECONDS_BETWEEN_BEATS", 0.05)


@pytest.fixture
def no_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail when it is asked what time it is."""

    def asked(*_: object) -> None:
        raise AssertionError("the clock was asked")

    for name in ("time", "time_ns", "localtime", "gmtime"):
        monkeypatch.setattr(time, name, asked)


@pytest.fixture(params=["flock", "no flock"])
def flock(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the file system has locks."""

    def no_locks(descriptor: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    if request.param == "no flock":
        for module in (locks_module, writing):
            monkeypatch.setattr(module, "lock", no_locks)
    return bool(request.param == "flock")


@contextmanager
def beating(path: Path) -> Iterator[None]:
    """A holder on another machine, who lives: its locks are not seen here, its counter is."""
    ended = threading.Event()

    def beat() -> None:
        number = 0
        with open(path, "r+b", buffering=0) as file:
            while not ended.wait(0.05):
                file.seek(0)
                file.write(ELSEWHERE.encoded(number := number + 1))

    path.write_bytes(ELSEWHERE.encoded(0))
    thread = threading.Thread(target=beat)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def take_over(path: Path, sign: Sign = ELSEWHERE) -> None:
    """Put a lock file of another machine in the place of what is there."""
    path.with_name("other").write_bytes(sign.encoded(0))
    os.replace(path.with_name("other"), path)


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def content(folder: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


@pytest.mark.parametrize("begin", ["free", "left by a process of another machine"])
def test_two_who_race_for_a_lock_never_hold_it_both(begin: str, flock: bool, tmp_path: Path) -> None:
    script = TAKE_TURNS if flock else "    locks.lock = no_locks\n" + TAKE_TURNS
    if begin != "free":
        (tmp_path / "lock").write_bytes(ELSEWHERE.encoded(3))
    with process(script, tmp_path) as one, process(script, tmp_path) as other:
        for racer in (one, other):
            assert racer.stdin is not None
            racer.stdin.write("50\n")
            racer.stdin.flush()
        assert [one.wait(60), other.wait(60)] == [0, 0]
        turns = (tmp_path / "turns").read_text().split()
        assert sorted(turns) == sorted([str(one.pid)] * 50 + [str(other.pid)] * 50)
    assert names(tmp_path) == ["turns"]


@pytest.mark.usefixtures("no_clock", "flock")
def test_a_living_holder_on_another_machine_is_not_disturbed(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with beating(path):
        holder = r"process 7 on elsewhere \(pyro-bvae fit\)"
        with (
            pytest.warns(UserWarning, match=rf"it was being written by {holder}: waiting 1 s for a sign of life"),
            pytest.raises(HeldError, match=rf"it is being written by {holder}: wait until"),
        ):
            locked(path, "it").__enter__()

        def waiting(holder: str) -> None:
            holders.append(holder)
            if time.monotonic() - start > 2 * SOON["PATIENCE"]:
                raise KeyboardInterrupt

        holders: list[str] = []
        start = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            locked(path, "it", waiting).__enter__()
        assert {*holders} == {"process 7 on elsewhere (pyro-bvae fit)"}
    assert Sign.parsed(path.read_bytes()) == ELSEWHERE
    assert names(tmp_path) == ["lock"]


@pytest.mark.usefixtures("no_clock", "flock")
@pytest.mark.parametrize("waits", [False, True])
def test_the_lock_of_a_dead_holder_on_another_machine_is_taken_over(waits: bool, tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.write_bytes(ELSEWHERE.encoded(3))
    os.utime(path, (2e9, 2e9))
    start = time.monotonic()
    with nullcontext() if waits else pytest.warns(UserWarning, match="waiting 1 s for a sign of life"):
        taken = locked(path, "it", (lambda _: None) if waits else None)
        taken.__enter__()
    assert time.monotonic() - start > SOON["PATIENCE"]
    sign = Sign.parsed(path.read_bytes())
    assert sign is not None
    assert (sign.process, sign.machine) == (os.getpid(), this_machine())
    check_lock(tmp_path / "lock")
    taken.__exit__(None, None, None)
    assert names(tmp_path) == []


@pytest.mark.parametrize("left", [b"", b"half", json.dumps(OLDER).encode(), b"[" * 4096, b'{"process": 1}', b"\xff"])
def test_what_has_no_counter_is_taken_when_the_system_has_no_lock_of_it(left: bytes, tmp_path: Path) -> None:
    (tmp_path / "lock").write_bytes(left)
    with locked(tmp_path / "lock", "it"):
        assert f'"process": {os.getpid()}' in (tmp_path / "lock").read_text()
    assert names(tmp_path) == []


def test_a_lock_without_a_counter_is_not_taken_over_while_the_system_holds_it(tmp_path: Path) -> None:
    hold = """
        file = open("lock", "w")
        file.write('{"process": 7, "host": "elsewhere", "command": "an older version"}')
        file.flush()
        locks.lock(file.fileno())
        print("ready", flush=True)
        input()
    """

    def waiting(holder: str) -> None:
        assert holder == "process 7 on elsewhere (an older version)"
        if time.monotonic() - start > 2 * SOON["PATIENCE"]:
            raise KeyboardInterrupt

    with process(hold, tmp_path):
        start = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            locked(tmp_path / "lock", "it", waiting).__enter__()


def test_a_holder_raises_its_counter_in_place_until_it_lets_go(tmp_path: Path) -> None:
    threads = threading.active_count()
    with locked(tmp_path / "lock", "it"):
        inode, first = (tmp_path / "lock").stat().st_ino, (tmp_path / "lock").read_bytes()
        assert threading.active_count() == threads + 1
        seen = {json.loads((tmp_path / "lock").read_bytes())["beat"] for _ in range(10) if not time.sleep(0.1)}
        assert len(seen) > 2
        assert (tmp_path / "lock").stat().st_ino == inode
        assert (tmp_path / "lock").stat().st_size == len(first)
    assert threading.active_count() == threads


@pytest.mark.parametrize("how", ["waits", "is patient"])
def test_who_was_suspended_loses_its_lock_and_writes_no_more(how: str, tmp_path: Path) -> None:
    owner_script = """
        with suppress(LostError), held_folder(Path("run")):
            write_json(Path("run/a.json"), "the owner's")
            print("ready", flush=True)
            while True:
                write_json(Path("run/a.json"), "the owner's")
                write_json(Path("run/figures/b.json"), "the owner's")
        print("lost", flush=True)
    """
    run = tmp_path / "run"
    with process(owner_script, tmp_path) as owner:
        owner.send_signal(signal.SIGSTOP)
        with pytest.raises(HeldError, match=f"is being written by process {owner.pid} "):
            held_folder(run).__enter__()  # others are refused at once
        waiting = locked(run / LOCK, "it", lambda holder: waited.append(holder)) if how == "waits" else None
        waited: list[str] = []
        taken = waiting or held_folder(run, patient=True)
        taken.__enter__()
        for name in ("a.json", "figures/b.json"):
            write_json(run / name, "of the other")
        owner.send_signal(signal.SIGCONT)
        assert owner.stdout is not None
        assert owner.stdout.readline() == "lost\n"
        assert owner.wait(20) == 0
        write_json(run / "c.json", "of the other")
        taken.__exit__(None, None, None)
    assert {*waited} == ({f"process {owner.pid} (-c)"} if waiting else set())
    assert {json.loads(text) for text in content(run).values()} == {"of the other"}
    assert names(run) == ["a.json", "c.json", "figures"]


def test_who_is_patient_is_refused_when_the_holder_lives(tmp_path: Path) -> None:
    with (
        held_folder(tmp_path),
        pytest.raises(HeldError, match=f"is being written by process {os.getpid()} "),
    ):
        held_folder(tmp_path, patient=True).__enter__()


WRITERS: dict[str, Callable[[RunFolder], Any]] = {
    "append": lambda folder: folder.append(history_line(100)),
    "save": lambda folder: folder.save(folder.load(), "all"),  # type: ignore[arg-type]
    "keep_last": lambda folder: folder.keep_last(1),
    "cut_history": lambda folder: folder.cut_history(1, 1e9, False),
    "start": lambda folder: folder.start(folder.read_config(), overwrite=True),
    "write_config": lambda folder: folder.write_config({}),
    "write_csv": lambda folder: write_csv(folder.path / "scores.csv", [{"a": 1}]),
    "write_json": lambda folder: write_json(folder.path / "checkpoints" / "deeper" / "a.json", 1),
}


@pytest.mark.parametrize("taken", ["taken over", "gone"])
@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS.keys())
def test_who_has_lost_its_lock_writes_nothing(
    write: Callable[[RunFolder], Any], taken: str, digits_run: Run, here: Path
) -> None:
    assert digits_run.path is not None
    subprocess.run(["cp", "-r", digits_run.path, "run"], check=True)
    folder = RunFolder("run")
    with folder.held():
        take_over(here / "run" / LOCK)
        if taken == "gone":
            os.unlink(f"run/{LOCK}")
        before = content(here)
        with pytest.raises(LostError, match=r"^run (was taken over by process 7 on elsewhere|has no lock any more)"):
            write(folder)
        assert content(here) == before
    assert content(here) == before
    assert load_run(folder.path).step == digits_run.step


def test_a_lock_that_is_lost_during_a_write_spoils_nothing(tmp_path: Path) -> None:
    with held_folder(tmp_path):
        write_json(tmp_path / "a.json", 1)
        half = atomic_write(tmp_path / "a.json")
        half.__enter__().write_text("2")
        take_over(tmp_path / LOCK)
        with pytest.raises(LostError):
            half.__exit__(None, None, None)
    assert names(tmp_path) == [LOCK, "a.json"]
    assert (tmp_path / "a.json").read_text() == "1\n"


def test_a_lost_lock_is_no_picture_that_may_be_left_out(tmp_path: Path) -> None:
    with held_folder(tmp_path):
        take_over(tmp_path / LOCK)
        with pytest.raises(LostError), optional("a.png"):
            check_lock(tmp_path / "figures" / "a.png")


def test_locks_of_folders_around_and_through_links_count(tmp_path: Path) -> None:
    (tmp_path / "linked").symlink_to(tmp_path / "real")
    with held_folder(tmp_path / "real"), held_folder(tmp_path / "linked" / "inner"):
        write_json(tmp_path / "linked" / "inner" / "a.json", 1)
        take_over(tmp_path / "real" / LOCK)
        for place in ("real", "linked", "linked/inner", "real/inner/figures"):
            with pytest.raises(LostError, match="real was taken over"):
                write_json(tmp_path / place / "b.json", 1)
        write_json(tmp_path / "c.json", 1)  # where this process holds nothing


def test_a_full_disk_loses_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        taken = held_folder(tmp_path)
        taken.__enter__()
        time.sleep(0.2)  # in which it beats
        with pytest.raises(HeldError, match="is being written by another process: wait"):
            held_folder(tmp_path).__enter__()
        assert (tmp_path / LOCK).read_bytes() == b""
        check_lock(tmp_path / "a.json")
    time.sleep(0.2)
    assert f'"process": {os.getpid()}' in (tmp_path / LOCK).read_text()  # now that there is room
    check_lock(tmp_path / "a.json")
    taken.__exit__(None, None, None)
    assert names(tmp_path) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no forks")
def test_a_fork_neither_holds_nor_frees_the_lock_of_its_parent(tmp_path: Path) -> None:
    fork = """
        with held_folder(Path("run")):
            child = os.fork()
            if not child:
                write_json(Path("run/a.json"), "of the child")
            else:
                os.waitpid(child, 0)
                if not os.fork():
                    Path("lasting").write_text(str(os.getpid()))
                    print("ready", flush=True)  # by then it has let go, which on a busy machine takes its time
                time.sleep(60)
    """
    with process(fork, tmp_path) as parent:
        assert names(tmp_path / "run") == [LOCK, "a.json"]
        with pytest.raises(HeldError, match=f"process {parent.pid} "):
            held_folder(tmp_path / "run").__enter__()
        parent.kill()
        parent.wait()
        with held_folder(tmp_path / "run"):  # free at once, though the second child lives
            os.kill(int((tmp_path / "lasting").read_text()), signal.SIGKILL)


def test_of_two_who_take_a_lock_over_at_once_the_last_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lock").write_bytes(ELSEWHERE.encoded(0))

    def meanwhile(seconds: float, sleep: Callable[[float], None] = time.sleep) -> None:
        if seconds == SOON["SECONDS_TO_SETTLE"]:
            take_over(tmp_path / "lock", replace(ELSEWHERE, token="of a third"))
        sleep(seconds)

    monkeypatch.setattr(locks_module, "sleep", meanwhile)
    with pytest.warns(UserWarning, match="a sign of life"), pytest.raises(HeldError):
        locked(tmp_path / "lock", "it").__enter__()
    assert b"of a third" in (tmp_path / "lock").read_bytes()
    assert names(tmp_path) == ["lock"]
