"""Kills, mutated configs and odd command lines: what a rough world does to a run, tried many times.

    python tests/rough_world.py                                   all of it, some ten minutes
    python tests/rough_world.py --kills 20 --configs 0 --lines 0

Three laws are tried, and whatever breaks one is printed with what repeats it:

1. A command that is killed, at a random moment or just before one of its writes, leaves no half-written file under a
   final name and no run that is two runs, and typed again it ends with what it ends with undisturbed.
2. Whatever stands in a config.json, a command works, or ends in one line and leaves the run as it was, byte for byte.
3. Whatever is typed, a command works or ends in plain words; no traceback, no name of an exception of Python.

Commands to be killed run in forks of one process that has loaded PyTorch; all others run in this process itself.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import contextlib
import csv
import json
import random
import re
import shlex
import shutil
import signal
import sys
import tempfile
import time
import traceback
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from click.testing import CliRunner
from PIL import Image
from pyro_bvae_cli import main as pyro_bvae

FAST = ["--hidden", "8", "--latent-dim", "2", "--no-compile"]
RAW = re.compile(r"Traceback|\b(?!FloatingPointError)[A-Z]\w*(Error|Exception)\b|Exception ignored|RuntimeError")
OF_THE_MOMENT = {"seconds", "images_per_second", "command", "resumed", "compile_because"}
LONGEST = 60  # seconds that a command may take


def make_world(folder: Path) -> None:
    """A folder with images that have factors, a table, and a run on each."""
    factors = np.indices((4, 4)).reshape(2, -1).T.repeat(10, 0)
    generator = np.random.default_rng(0)
    images = factors @ [40, 5] + generator.integers(0, 40, (8, 8, len(factors)))
    np.savez(folder / "d.npz", images=np.moveaxis(images, 2, 0).astype(np.uint8), factors=factors)
    np.savetxt(folder / "v.csv", generator.normal(size=(60, 5)), delimiter=",", header="a,b,c,d,e", comments="")
    fits = {"run": "--dataset npz:d.npz --steps 30 --checkpoint-every 10 --keep 2",
            "vectors": "--dataset csv:v.csv --likelihood gaussian --steps 10"}  # fmt: skip
    for name, options in fits.items():
        status, output = run(["fit", *FAST, *options.split(), "--no-figures", "--out", name])
        assert status == 0, output


def run(argv: list[str]) -> tuple[int, str]:
    """A command in this process: its exit code, and all it says."""
    with contextlib.chdir(Path.cwd()):
        result = CliRunner().invoke(pyro_bvae, argv)
    output = result.output
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        output += "".join(traceback.format_exception(result.exception))
    return result.exit_code, output


# 1. Kills

FIT = ["fit", "--dataset", "npz:d.npz", *FAST, "--eval-every", "10", "--checkpoint-every", "7", "--keep", "2", "--out"]
COMPARE = ["compare", "--dataset", "npz:d.npz", *FAST, "--steps", "10", "--beta", "1", "--beta", "4", "--no-figures"]
WRITERS: dict[str, list[str]] = {
    "fit": [*FIT, "new", "--steps", "40", "--no-figures"],
    "fit, with figures": [*FIT, "new", "--steps", "20", "--figures-every", "10"],
    "fit --resume": ["fit", "--resume", "--out", "run", "--steps", "60"],
    "fit --overwrite": [*FIT, "run", "--steps", "20", "--beta", "6", "--overwrite", "--no-figures"],
    "compare": [*COMPARE, "--out", "both"],
    "compare --jobs": [*COMPARE, "--out", "both", "--jobs", "2"],
    "compare RUN": ["compare", "run", "--out", "one", "--no-figures"],
    "score": ["score", "run", "--metric", "mig", "--metric", "dci", "--repeats", "1"],
    "encode": ["encode", "run"],
    "traverse": ["traverse", "run", "--columns", "3"],
    "sample": ["sample", "run", "--count", "4"],
    "sample, as csv": ["sample", "vectors", "--out", "drawn.csv"],
    "reconstruct": ["reconstruct", "run", "--count", "4"],
}  # fmt: skip


def forked(
    argv: list[str], before_write: int | None = None, after: float | None = None
) -> tuple[int | None, float, int]:
    """A command in a process of its own, killed before one of its writes or after some seconds.

    Returns:
        Its exit code, None where it was killed; the seconds that it took; how many writes were counted.
    """
    count = torch.zeros(1, dtype=torch.int64).share_memory_()
    start = time.monotonic()
    child = os.fork()
    if not child:
        with contextlib.suppress(BaseException), open(".log", "w") as log:
            os.dup2(log.fileno(), 1), os.dup2(log.fileno(), 2)
            here = os.getcwd()

            def look(event: str, details: tuple[Any, ...]) -> None:
                writes = event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate")
                writes |= event == "open" and bool(details[2] & (os.O_WRONLY | os.O_RDWR))
                is_path = not isinstance(details[0], int) if details else False
                if writes and is_path and os.path.abspath(os.fsdecode(details[0])).startswith(here):
                    count[0] += 1
                    if count[0] == before_write:
                        os.kill(os.getpid(), signal.SIGKILL)

            sys.addaudithook(look)
            try:
                pyro_bvae(argv, standalone_mode=True)
            except SystemExit as end:
                log.flush(), sys.stdout.flush(), sys.stderr.flush()
                os._exit(int(end.code or 0))
        os._exit(99)
    status: int | None = None
    while time.monotonic() - start < LONGEST:
        done, raw = os.waitpid(child, os.WNOHANG)
        if done:
            status = None if os.WIFSIGNALED(raw) else os.waitstatus_to_exitcode(raw)
            break
        if after is not None and time.monotonic() - start > after:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.002)
    return status, time.monotonic() - start, int(count)


def whole(file: Path) -> None:
    """Read a file to its end; raise if it is cut off."""
    match file.suffix:
        case ".json":
            json.loads(file.read_text(encoding="utf-8"))
        case ".jsonl":
            lines = file.read_text(encoding="utf-8").split("\n")
            for line in lines[:-1]:  # a line that a kill cut off has no end
                json.loads(line)
        case ".npz":
            with np.load(file) as arrays:
                list(map(arrays.__getitem__, arrays.files))
        case ".csv":
            with open(file, newline="", encoding="utf-8") as opened:
                widths = {len(row) for row in csv.reader(opened)}
            assert len(widths) == 1, "rows of unequal lengths"
        case ".pt":
            assert zipfile.ZipFile(file).testzip() is None
        case ".png" | ".gif":
            with Image.open(file) as picture:
                picture.load()


def content(folder: Path) -> dict[str, Any]:
    """What a folder holds, times and versions aside; of pictures that they are there."""
    held: dict[str, Any] = {}
    for file in sorted(folder.rglob("*")):
        name = str(file.relative_to(folder))
        if not file.is_file() or name.startswith(".") or "/." in name:
            continue
        if file.suffix == ".pt":
            held[name] = {key: value.numpy().tobytes() for key, value in torch.load(file)["model"].items()}
        elif file.suffix == ".npz":
            with np.load(file) as arrays:
                held[name] = {key: arrays[key].tobytes() for key in arrays.files}
        elif file.suffix in (".json", ".jsonl"):
            text = file.read_text(encoding="utf-8")
            parts = text.split("\n")[:-1] if file.suffix == ".jsonl" else [text]
            held[name] = [_lasting(json.loads(part)) for part in parts]
        elif file.suffix == ".csv":
            held[name] = len(file.read_text(encoding="utf-8").splitlines())
        else:
            held[name] = None
    return held


def _lasting(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _lasting(held) for key, held in value.items() if key not in OF_THE_MOMENT}
    return [_lasting(held) for held in value] if isinstance(value, list) else value


def _differing(now: Any, expected: Any) -> str:
    if isinstance(now, list) and isinstance(expected, list) and now and isinstance(now[0], dict):
        pairs = [(one, other, one.keys() | other.keys()) for one, other in zip(now, expected, strict=False)]
        differ = [
            {key: (one.get(key), other.get(key)) for key in keys if one.get(key) != other.get(key)}
            for one, other, keys in pairs
        ]
        return str([each for each in differ if each])[:300]
    return "is missing" if now is None else "is more" if expected is None else ""


def one_run(folder: Path) -> None:
    """The β of a run folder's config is that of its weights."""
    config, checkpoint = folder / "config.json", folder / "checkpoint.pt"
    if config.is_file() and checkpoint.is_file():
        beta = json.loads(config.read_text(encoding="utf-8"))["beta"]
        assert beta == torch.load(checkpoint)["beta"], f"config.json says β {beta}, and the weights another"


def kills(world: Path, count: int, choose: random.Random, figures: Counter[str]) -> Iterator[str]:
    """Kill commands; yields a line for each that left something wrong."""
    undisturbed: dict[str, tuple[dict[str, Any], float, int]] = {}
    for number in range(count):
        name = list(WRITERS)[number % len(WRITERS)]
        argv = WRITERS[name]
        if name not in undisturbed:
            with fresh(world) as folder:
                status, seconds, writes = forked(argv)
                assert status == 0, (folder / ".log").read_text()
                undisturbed[name] = content(folder), seconds, writes
        expected, seconds, writes = undisturbed[name]
        at_a_write = number // len(WRITERS) % 2
        moment = {"before_write": choose.randint(1, writes)} if at_a_write else {"after": choose.uniform(0, seconds)}
        with fresh(world) as folder:
            status, _, _ = forked(argv, **moment)  # type: ignore[arg-type]
            figures["killed" if status is None else "done before the kill"] += 1
            problem = _what_is_wrong(folder, argv, expected)
            if problem:
                yield f"{name}, killed {moment}: {problem}"


def _what_is_wrong(folder: Path, argv: list[str], expected: dict[str, Any]) -> str | None:
    try:
        for file in folder.rglob("*"):
            if file.is_file() and "partial" not in file.name and not file.name.startswith("."):
                try:
                    whole(file)
                except Exception as error:
                    return f"{file.relative_to(folder)} is cut off: {error}"
        one_run(folder / "run")
        status, _, _ = forked(argv)
        if status and argv[0] == "fit":
            out, steps = (argv[argv.index(option) :][:2] for option in ("--out", "--steps"))
            status, _, _ = forked(["fit", "--resume", *out, *steps])
        if status:
            return f"typed again it ends with {status}: {(folder / '.log').read_text()[-300:]}"
        now = content(folder)
        if now != expected:
            other = sorted(key for key in now.keys() | expected.keys() if now.get(key, 0) != expected.get(key, 0))
            said = [f"{key} {_differing(now.get(key), expected.get(key))}" for key in other]
            return f"typed again it ends otherwise: {', '.join(said)}"
    except AssertionError as error:
        return str(error)
    return None


@contextlib.contextmanager
def fresh(world: Path) -> Iterator[Path]:
    """A copy of the world, always at the same place, in which commands run."""
    folder = world.with_name("copy")
    shutil.copytree(world, folder)
    try:
        with contextlib.chdir(folder):
            yield folder
    finally:
        shutil.rmtree(folder)


# 2. Mutated configs

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
            before = _bytes(Path(name))
            status, output = _in_time(argv)
            figures[f"exit {status}"] += 1
            diverged = "loss" in output  # in steps that were taken, which is no damage
            changed = status != 0 and not diverged and _bytes(Path(name)) != before
            damage = "changed the run and failed" if changed else ""
            yield from _judged(f"{said}: {shlex.join(argv)}", status, output, damage)


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


def _bytes(folder: Path) -> dict[str, bytes]:
    files = [file for file in sorted(folder.rglob("*")) if file.is_file() and not file.name.startswith(".")]
    return {str(file): file.read_bytes() for file in files}


# 3. Odd command lines

WORDS = """
    -1 0 1 2 1e308 1e-320 nan inf -inf x 999999999999 1,2 , 0,0 ٣ é $x_$ - -- run vectors d.npz v.csv .. /dev/null
    npz:d.npz csv:v.csv folder:. npz:none.npz csv:d.npz npy:v.csv npz:/dev/zero run/config.json run/checkpoint.pt
    gaussian bernoulli beta tc:beta=6 tc:beta=x capacity: linear:5 linear:-5 rate=3 rate= image prior all mig held-out
    cpu cuda:9
""".split()  # noqa: SIM905
WORDS += ["", " ", "2 3", "a\nb", "\x1b[31m", "9" * 40, "x" * 300]


def lines(world: Path, count: int, choose: random.Random, figures: Counter[str]) -> Iterator[str]:
    """Type odd things; yields a line for each that broke a law."""
    names = sorted(set(pyro_bvae.commands) - {"recipes"})
    for number in range(count):
        command = names[number % len(names)]
        options = [option for option in pyro_bvae.commands[command].params if isinstance(option, click.Option)]
        argv = [command]
        if command == "fit":
            argv += ["--dataset", "npz:d.npz", *FAST, "--steps", "2", "--no-figures", "--out", "new"]
        elif command == "compare":
            argv += ["--dataset", "npz:d.npz", *FAST, "--steps", "2", "--no-figures", "--out", "both"]
        elif command != "datasets":
            argv += [choose.choice(["run", "run", "vectors", choose.choice(WORDS)])]
        for option in choose.sample(options, min(choose.choice([1, 1, 2, 3]), len(options))):
            argv.append(choose.choice([*option.opts, *option.secondary_opts]))
            if not option.is_flag:
                values = option.nargs if choose.random() < 0.95 else choose.randint(0, 3)
                argv += choose.choices(WORDS, k=max(values, 0))
        with fresh(world):
            before = _bytes(Path("run"))
            status, output = _in_time(argv)
            figures[f"exit {status}"] += 1
            damaged = status != 0 and command != "fit" and _bytes(Path("run")) != before
            yield from _judged(shlex.join(argv), status, output, "changed the run and failed" if damaged else "")


def _in_time(argv: list[str]) -> tuple[int, str]:
    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(LONGEST)
    try:
        return run(argv)
    except BaseException as error:
        return 98, f"Traceback: {type(error).__name__} {error}"
    finally:
        signal.alarm(0)


def _judged(what: str, status: int, output: str, damage: str) -> Iterator[str]:
    raw = RAW.search(output)
    if damage:
        yield f"{what}: {damage}"
    elif status not in (0, 1, 2) or raw:
        at = output.splitlines()[-1][:300] if output.strip() else ""
        yield f"{what}: exit {status}{', took too long' if status == 130 else ''}: {at}"
    elif status and not output.strip():
        yield f"{what}: exit {status} without a word"


@click.command()
@click.option("--kills", "kill_count", type=int, default=104, show_default=True)
@click.option("--configs", "config_count", type=int, default=200, show_default=True)
@click.option("--lines", "line_count", type=int, default=1000, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
def main(kill_count: int, config_count: int, line_count: int, seed: int) -> None:
    """Try the three laws."""
    trials: list[tuple[str, Callable[..., Iterator[str]], int]] = [
        ("kills", kills, kill_count),
        ("mutated configs", configs, config_count),
        ("odd command lines", lines, line_count),
    ]
    broken = 0
    with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
        world = Path(name) / "world"
        world.mkdir()
        with contextlib.chdir(world):
            make_world(world)
        for what, trial, count in trials:
            figures: Counter[str] = Counter()
            problems = 0
            for problem in trial(world, count, random.Random(seed), figures):
                problems += 1
                click.echo(f"  {problem}")
            ends = ", ".join(f"{key}: {number}" for key, number in sorted(figures.items()))
            click.echo(f"{count} {what}: {problems} broke a law ({ends})")
            broken += problems
    sys.exit(broken > 0)


if __name__ == "__main__":
    main()
