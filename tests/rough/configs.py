"""Mutated configs.

Whatever stands in a config.json, a command works, or ends in one line and leaves the run as it was, byte for byte.
"""

from __future__ import annotations

import json
import random
import shlex
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .world import files_in, fresh, judged, run_in_time

ODD: list[Any] = [
    *(None, True, False, -1, 0, 1, 2, 0.5, -0.0, 1e-320, 1e308, 10**12, 10**30, float("nan"), float("inf")),
    *("", " ", "x", "β\n\x1b[31m", "1", "x" * 5000, "../..", "/dev/null", "none:", "digits", "npz:d.npz", "all"),
    *([], [1], ["a", "b"], [[1]], [1e308, -1], {}, {"a": {"b": 1}}),
]
READERS = [
    ["info"],
    ["evaluate"],
    ["traverse", "--columns", "2"],
    ["reconstruct", "--count", "2"],
    ["sample", "--count", "2"],
    ["encode"],
    ["score", "--metric", "mig", "--repeats", "1", "--no-figures"],
    ["compare", "--no-figures", "--out", "one"],
    ["report", "--out", "page.html"],
    ["fit", "--resume", "--steps", "35", "--out"],
    ["fit", "--steps", "3", "--out", "again", "--no-figures", "--config"],
]


def configs(world: Path, count: int, choose: random.Random, figures: Counter[str]) -> Iterator[str]:
    """Mutate configs and read them with every command; yields a line for each that broke a law."""
    for number in range(count):
        name = choose.choice(["run", "vectors"])
        with fresh(world):
            path = Path(name, "config.json")
            said = _mutate(path, choose)
            reader = READERS[number % len(READERS)]
            argv = [*reader, str(path if reader[-1] == "--config" else name)]
            before = files_in(Path(name))
            status, output = run_in_time(argv)
            figures[f"exit {status}"] += 1
            diverged = "loss" in output  # in steps that were taken, which is no damage
            changed = status != 0 and not diverged and files_in(Path(name)) != before
            damage = "changed the run and failed" if changed else ""
            yield from judged(f"{said}: {shlex.join(argv)}", status, output, damage)


def _mutate(path: Path, choose: random.Random) -> str:
    text = path.read_text(encoding="utf-8")
    kind = choose.random()
    if kind < 0.1:
        cut = choose.randrange(len(text))
        path.write_text(text[:cut], encoding="utf-8")
        return f"cut after {cut} characters"
    if kind < 0.2:
        path.write_text(said := json.dumps(choose.choice(ODD)), encoding="utf-8")
        return f"{said[:40]} in place of all"
    config = json.loads(text)
    said = []
    for key in choose.sample(sorted(config), choose.choice([1, 1, 1, 2, 3])):
        if choose.random() < 0.15:
            del config[key]
            said.append(f"no {key}")
        else:
            config[key] = choose.choice(ODD) if choose.random() < 0.5 else _alike(config[key], choose)
            said.append(f"{key} = {str(config[key])[:40]!r}")
    path.write_text(json.dumps(config), encoding="utf-8")
    return ", ".join(said)


def _alike(value: Any, choose: random.Random) -> Any:
    """Another value of the same kind, which looks as if somebody had meant it."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return choose.choice([0, 1, value + 1, -value, 1000 * value, value / 3])
    if isinstance(value, str):
        others = ["adam", "conv", "beta:beta=2", value.replace("npz", "npy")]
        return choose.choice([value[:-1], value.upper(), value + "x", *others])
    if isinstance(value, list):
        return choose.choice([value[:-1], [*value, *value], list(reversed(value))])
    if isinstance(value, dict):
        return choose.choice([{**value, "more": 1}, dict(list(value.items())[1:])])
    return choose.choice([1, 0.5, "x", [8]])
