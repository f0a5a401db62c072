"""The world that commands run in, how they are run there, and what they may say."""

from __future__ import annotations

import contextlib
import re
import shutil
import signal
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from click.testing import CliRunner
from pyro_bvae_cli import main as pyro_bvae

FAST = ["--hidden", "8", "--latent-dim", "2", "--no-compile"]
RAW = re.compile(r"Traceback|\b(?!FloatingPointError)[A-Z]\w*(Error|Exception)\b|Exception ignored|RuntimeError")
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


def run_in_time(argv: list[str]) -> tuple[int, str]:
    """The same, stopped after `LONGEST` seconds, which is a traceback."""

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


def files_in(folder: Path) -> dict[str, bytes]:
    """The files of a folder that are not hidden."""
    files = [file for file in sorted(folder.rglob("*")) if file.is_file() and not file.name.startswith(".")]
    return {str(file): file.read_bytes() for file in files}


def judged(what: str, status: int, output: str, damage: str) -> Iterator[str]:
    """A line where a command has done damage, or ended in something else than plain words."""
    raw = RAW.search(output)
    if damage:
        yield f"{what}: {damage}"
    elif status not in (0, 1, 2) or raw:
        at = output.splitlines()[-1][:300] if output.strip() else ""
        yield f"{what}: exit {status}{', took too long' if status == 130 else ''}: {at}"
    elif status and not output.strip():
        yield f"{what}: exit {status} without a word"
