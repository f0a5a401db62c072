"""The script of `rough_workers` itself, with fewer and shorter fits than it makes by default."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.parametrize("crew", ["jobs", "cluster", "namespaces"])
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="the children of a process are looked up in /proc")
def test_who_is_killed_costs_no_run(crew: str) -> None:
    script = Path(__file__).with_name("rough_workers.py")
    trial = ["--crew", crew, "--steps", "600", "--seeds", "0"]
    shown = subprocess.run([sys.executable, script, *trial], capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stdout + shown.stderr
    if "skipped" in shown.stdout:
        pytest.skip(shown.stdout.strip())
