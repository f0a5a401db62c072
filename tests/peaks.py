"""The most memory that a process of its own has held."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PEAK = """
import json

def peak():
    with open("/proc/self/status", encoding="ascii") as status:  # getrusage begins with the peak of the parent
        return next(1024 * int(line.split()[1]) for line in status if line.startswith("VmHWM"))
"""


def printed(script: str) -> Any:
    """The JSON that a script prints in a new process, in which ``peak()`` is the most memory held so far, in bytes."""
    if not Path("/proc/self/status").exists():
        pytest.skip("the peak of a process is read from /proc")
    done = subprocess.run([sys.executable, "-c", PEAK + script], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)
