"""Files have one writer at a time, and are there whole or not at all."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from pyro_bvae.files import (
    HeldError,
    WriteError,
    atomic_write,
    locked,
    remove_abandoned,
    write_csv,
    write_json,
    writing,
)
from pyro_bvae.files import locks as locks_module

HOLD = """
    from pathlib import Path
    from pyro_bvae.files import locked
    with locked(Path("lock"), "it"):
        print("held", flush=True)
        input()
"""
WRITE = """
    from pathlib import Path
    from pyro_bvae.files import atomic_write
    with atomic_write(Path("a.json")) as partial:
        partial.write_text("half")
        print("held", flush=True)
        input()
"""


@contextmanager
def process(script: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that runs a script in a folder, from where it says that it is ready."""
    command = [sys.executable, "-c", textwrap.dedent(script)]
    running = subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None
    assert running.stdout.readline() == "held\n"
    yield running
    running.kill()
    running.communicate()


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_a_second_process_is_refused_and_hears_who_is_first(tmp_path: Path) -> None:
    with process(HOLD, tmp_path) as other:
        os.utime(tmp_path / "lock", (2e9, 2e9))  # no clock is asked
        with pytest.raises(HeldError, match=rf"it is being written by process {other.pid} \(-c\): wait"):
            locked(tmp_path / "lock", "it").__enter__()


def test_a_second_process_waits_where_it_may(tmp_path: Path) -> None:
    holders: list[str] = []
    with process(HOLD, tmp_path) as other:

        def waiting(holder: str) -> None:
            holders.append(holder)
            other.communicate("\n")

        with locked(tmp_path / "lock", "it", waiting):
            assert holders == [f"process {other.pid} (-c)"]
    assert names(tmp_path) == []


@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_lock_of_a_dead_process_is_free_at_once(kill: signal.Signals, tmp_path: Path) -> None:
    with process(HOLD, tmp_path) as other:
        other.send_signal(kill)
        other.wait()
        with locked(tmp_path / "lock", "it"):
            assert f'"process": {os.getpid()}' in (tmp_path / "lock").read_text()
    assert names(tmp_path) == []


def test_one_process_cannot_hold_a_lock_twice(tmp_path: Path) -> None:
    with locked(tmp_path / "lock", "it"), pytest.raises(HeldError, match=f"process {os.getpid()}"):
        locked(tmp_path / "lock", "it").__enter__()


def test_many_who_want_a_lock_have_it_one_after_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads, whose locks exclude each other like those of processes; each deletes the file when it is done."""
    inside, turns = threading.Lock(), []

    def work(number: int) -> None:
        for _ in range(10):
            with locked(tmp_path / "lock", "it", lambda _: None):
                assert inside.acquire(blocking=False)
                turns.append(number)
                inside.release()

    monkeypatch.setattr(locks_module, "SECONDS_BETWEEN_LOOKS", 0.001)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert sorted(turns) == [number for number in range(4) for _ in range(10)]
    assert names(tmp_path) == []


def test_without_locks_files_are_written_and_nothing_is_taken_for_abandoned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(descriptor: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(writing, "lock", no_locks)
    write_json(tmp_path / "a.json", 1)
    (tmp_path / ".partial-1-0.json").touch()
    assert remove_abandoned(tmp_path) == []


def test_the_partial_file_of_a_dead_process_is_removed_and_that_of_a_living_one_stays(tmp_path: Path) -> None:
    with process(WRITE, tmp_path) as other:
        (partial,) = names(tmp_path)
        assert partial.startswith(f".partial-{other.pid}-")
        assert remove_abandoned(tmp_path) == []
        assert names(tmp_path) == [partial]
        other.kill()
        other.wait()
        assert remove_abandoned(tmp_path) == [tmp_path / partial]
    assert names(tmp_path) == []


def test_two_writers_of_one_file_do_not_meet(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "a.txt") as one, atomic_write(tmp_path / "a.txt") as other:
        one.write_text("one")
        other.write_text("other")
    assert (tmp_path / "a.txt").read_text() == "one"
    assert names(tmp_path) == ["a.txt"]


def test_the_longest_name_can_be_written(tmp_path: Path) -> None:
    write_json(tmp_path / f"{'a' * 250}.json", 1)
    with pytest.raises(OSError, match="File name too long") as raised:
        write_json(tmp_path / f"{'a' * 251}.json", 1)
    assert str(raised.value.filename).endswith("aaa.json")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
@pytest.mark.parametrize("call", ["fsync", "replace", "open"])
def test_what_stood_there_stays_when_a_write_fails(
    call: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    write_csv(tmp_path / "a.csv", [{"a": 1}])
    before = (tmp_path / "a.csv").read_bytes()
    monkeypatch.setattr(os, call, fails)
    with pytest.raises(OSError, match=os.strerror(number)) as raised:
        write_csv(tmp_path / "a.csv", [{"a": 2}])
    monkeypatch.undo()
    assert raised.value.filename == str(tmp_path / "a.csv")
    assert names(tmp_path) == ["a.csv"]
    assert (tmp_path / "a.csv").read_bytes() == before


def test_a_file_in_the_way_of_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    for path in (tmp_path / "a" / "b.json", tmp_path / "a" / "b" / "c.json"):
        with pytest.raises(WriteError, match=r"[Nn]ot a directory|a folder is wanted"):
            write_json(path, 1)
