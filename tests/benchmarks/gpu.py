"""All figures of one GPU in one call: whether replayed steps are right, and how fast everything is.

    python tests/benchmarks/gpu.py --data-root data --out gpu.json
    python tests/benchmarks/gpu.py --device cpu --quick --out rehearsal.json     # every line of it, in tiny sizes
    python tests/benchmarks/gpu.py --data-root data --only mnist --only other

Correctness comes first. Each section runs in processes of its own, within a time limit, and the results are written
after each: whatever fails or hangs takes nothing else with it. Kernels are compiled anew, in a temporary cache.
Progress goes to stderr, the tables of the page to stdout.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, perf_counter
from typing import Any

import torch
from gpu_agreement import agreement
from gpu_bench import BROKEN, Bench, say
from gpu_figures import conv, encode, machine, mnist, other, paper
from gpu_tables import tables


@dataclass(frozen=True)
class Section:
    """A part of the whole.

    Attributes:
        work: Takes its measurements one after the other.
        limit: Seconds that it may take; all of them together are less than 8 minutes.
        environment: Of its processes.
        is_shared: Whether several processes take it together, since nothing is timed in it.
    """

    work: Callable[[Bench], None]
    limit: int
    environment: dict[str, str]
    is_shared: bool = False


SECTIONS = {
    "machine": Section(machine, 20, {}),
    "agreement": Section(agreement, 110, {"TORCHINDUCTOR_COMPILE_THREADS": "1", "OMP_NUM_THREADS": "1"}, True),
    "mnist": Section(mnist, 100, {}),
    "conv": Section(conv, 70, {}),
    "paper": Section(paper, 60, {}),
    "encode": Section(encode, 60, {}),
    "other": Section(other, 50, {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}),
}


LEAST = 10  # seconds in which a section could measure anything


def main() -> None:
    """Measure all sections, or be a process that measures one."""
    options = parse()
    if options.be is not None:
        be(options)
        return
    start, results = perf_counter(), {}
    with tempfile.TemporaryDirectory(prefix="pyro-bvae-gpu-", ignore_cleanup_errors=True) as folder:
        for name in options.only or SECTIONS:
            left = options.limit - (perf_counter() - start)
            limit = options.limit if options.quick else SECTIONS[name].limit
            results[name] = taken(name, Path(folder), options, min(limit, left))
            Path(options.out).write_text(json.dumps(results, indent=2), encoding="utf-8")
    say(f"done after {perf_counter() - start:.0f} s")
    sys.stdout.write(tables(results))


def taken(name: str, folder: Path, options: argparse.Namespace, limit: float) -> dict[str, Any]:
    """The results of a section, as far as they came."""
    section, start = SECTIONS[name], perf_counter()
    if limit < LEAST:
        return {"seconds": 0.0, "results": {}, "failures": ["no time was left for it"]}
    parts = max(1, min(12, (os.cpu_count() or 1) * 3 // 4)) if section.is_shared and not options.quick else 1
    say(f"{name}: {parts} {'process' if parts == 1 else 'processes'}, at most {limit:.0f} s")
    until = monotonic() + limit
    running = [Part(name, folder, options, number, parts, until) for number in range(parts)]
    failures = [text for part in running if (text := part.ended()) is not None]
    results: dict[str, Any] = {}
    for part in running:
        results |= json.loads(part.file.read_text(encoding="utf-8")) if part.file.exists() else {}
    say(f"{name}: {perf_counter() - start:.0f} s, {sum('error' in each for each in results.values())} failed")
    return {"seconds": perf_counter() - start, "results": results, "failures": failures}


class Part:
    """A process that takes a part of a section, begun anew once where an error of the device ended it."""

    def __init__(
        self, name: str, folder: Path, options: argparse.Namespace, number: int, parts: int, until: float
    ) -> None:
        self.file, self.until = folder / f"{name}-{number}.json", until
        limit = max(1, int(until - monotonic()) - 8)  # it takes some seconds to begin
        self.words = [sys.executable, __file__, "--be", name, "--part", f"{number}/{parts}", "--out", str(self.file)]
        self.words += ["--device", options.device, "--limit", str(limit), *(["--quick"] if options.quick else [])]
        self.words += ["--data-root", options.data_root] if options.data_root else []
        cache = {"TORCHINDUCTOR_CACHE_DIR": str(folder / "kernels")}
        self.environment = {**os.environ, **cache, "PYTHONUNBUFFERED": "1", **SECTIONS[name].environment}
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        # stdout is for the tables; a session of its own, so that compilers that it has started end with it
        return subprocess.Popen(self.words, env=self.environment, stdout=sys.stderr, start_new_session=True)

    def ended(self, may_restart: bool = True) -> str | None:
        """Wait for it, and end it at its limit; what was wrong, or None."""
        try:
            status = self.process.wait(max(0.1, self.until - monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            return "it took too long and was ended"
        if status == 0:
            return None
        if may_restart and (status == BROKEN or status < 0):
            say(f"exit status {status}: another process takes what is left")
            self.process = self._start()
            return f"exit status {status}, begun anew; {self.ended(may_restart=False) or 'then fine'}"
        return f"exit status {status}"


def be(options: argparse.Namespace) -> None:
    """Take a part of a section."""
    faulthandler.dump_traceback_later(options.limit, exit=False)  # says where it hangs
    number, parts = map(int, options.part.split("/"))
    if options.quick:
        torch.set_num_threads(1)
    name = options.device
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(name, 0) if name == "cuda" else torch.device(name)
    if name == "cuda":
        torch.cuda.init()  # before it, the peak of memory cannot be reset
    bench = Bench(device, options.quick, options.data_root, Path(options.out), (number, parts))
    SECTIONS[options.be].work(bench)


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto", choices=["auto", "cuda", "cpu"])
    parser.add_argument("--data-root", help="where MNIST lies; noise of its shape without")
    parser.add_argument("--out", default="gpu.json", help="file of the results (gpu.json)")
    parser.add_argument("--only", action="append", choices=list(SECTIONS), help="a section, once or more")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to rehearse")
    parser.add_argument("--limit", type=int, default=470, help="seconds that all may take (470)")
    parser.add_argument("--be", choices=list(SECTIONS), help=argparse.SUPPRESS)
    parser.add_argument("--part", default="0/1", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
