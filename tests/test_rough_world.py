"""The script of `rough_world` itself, with fewer trials than it makes by default."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_no_law_is_broken():
    script = Path(__file__).with_name("rough_world.py")
    trials = ["--kills", "26", "--configs", "60", "--lines", "200"]
    shown = subprocess.run([sys.executable, script, *trials], capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stdout + shown.stderr
