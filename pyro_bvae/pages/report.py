"""One file that says what was fitted, how, and how good it is, with the sliders alive: opened from disk, offline."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..comparison import RunRow
from ..datasets import Progress
from ..files import atomic_write, place_in
from ..runs.folder import owner_of
from ..runs.programs import Given
from ..runs.run import Run, load_run
from ..runs.versions import version_of
from ..settings.words import plain
from .captions import Captions
from .document import page
from .live import Live, live
from .markup import Content, Markup, element, joined
from .measured import Measured, measure, names_of
from .overview import is_comparison, overview, rows_of, side_by_side
from .sections import contents, heading, section

__all__ = ["LIMIT", "LIMIT_OF_A_COMPARISON", "report"]

LIMIT, LIMIT_OF_A_COMPARISON = 16.0, 5.0  # MB of weights in a page
Place = str | os.PathLike[str]


def report(
    runs: Place | Run | Sequence[Place | Run],
    out: Place | None = None,
    *,
    weights_limit: float | None = None,
    device: str = "cpu",
    dataset: str | None = None,
    data_root: Place | None = None,
    program: Given = None,
    changed_program: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Write a report of runs, or of a comparison, as one HTML file that needs no network.

    Args:
        runs: A run, its folder or file, or the folder of a comparison; or several of them.
        out: The file; by default report.html in the folder, or beside several.
        weights_limit: Megabytes of network weights that the page may hold, by default 16, and 5 for a comparison.
            Beyond it the encoders are left out, and then the decoders, in whose place come sweeps.
        device: Where to compute.
        dataset: The data of the runs, where they lie elsewhere now, see `load_run`.
        data_root: Where downloads lie now.
        program: The file of their programs, where they are of one, see `load_run`.
        changed_program: Whether it may be another than theirs.
        progress: Called while data load and runs are measured.

    Returns:
        The file.

    Raises:
        FileNotFoundError: There is no run, or it has no checkpoint.
        ValueError: A run cannot be loaded, or the file is one of a run's own.
        WriteError: The file cannot be written.
    """
    asked: list[Place | Run] = list(runs) if isinstance(runs, Sequence) and not isinstance(runs, str) else [runs]
    file = Path(out) if out is not None else _beside(asked)
    owner = owner_of(file)
    if owner is not None:
        raise ValueError(f"{plain(file)} is a file of the run {plain(owner)} itself: name another `out`")
    place: dict[str, Any] = {"dataset": dataset, "data_root": data_root}
    place |= {"program": program, "changed_program": changed_program}
    loaded, is_compared = _loaded(asked, {**place, "device": device})
    measured = _measured(loaded, progress)
    limit = weights_limit if weights_limit is not None else LIMIT_OF_A_COMPARISON if is_compared else LIMIT
    text = written(measured, live(measured, 1e6 * limit, progress), is_compared, place)
    with atomic_write(file) as partial:
        partial.write_text(text, encoding="utf-8")
    return file


def written(runs: Sequence[Measured], lives: Sequence[Live], is_compared: bool, place: dict[str, Any]) -> str:
    """The page.

    Args:
        runs: The runs, measured.
        lives: What the page knows of each.
        is_compared: Whether they are the runs of a comparison.
        place: Where their data and programs lie now, as `load_run` takes them.
    """
    captions, is_alone = Captions(), len(runs) == 1
    body: list[Content] = []
    before: list[tuple[str, str]] = []
    if not is_alone:
        before = [("overview", "The runs in one table"), ("pair", "Two of them side by side")]
        table = overview(runs, captions, is_compared, place)
        body += [element("section", element("h2", "The runs in one table"), table, id="overview", class_="part")]
        body.append(side_by_side(runs))
    body += [section(runs, number, shown, captions) for number, shown in enumerate(lives)]
    title = heading(runs[0]) if is_alone else _title(runs, is_compared)
    parts: dict[str, str] = {
        "subtitle": _subtitle(runs),
        "contents": contents(runs, before),
        "body": joined(body),
        "version": _version(),
    }
    views = [one.view for one in lives]
    return page("report.html", views, title, more=("report.js", "report.css"), parts=parts)


def _beside(asked: Sequence[Place | Run]) -> Path:
    """Where a report goes if nothing is said: into the one folder, or beside the first of several."""
    paths = [one.path if isinstance(one, Run) else Path(one) for one in asked]
    first = paths[0] if paths else None
    if first is None:
        raise ValueError("the run is in memory: name the file of its report with `out`")
    return place_in(first, "report.html") if len(paths) == 1 else first.parent / "report.html"


def _loaded(asked: Sequence[Place | Run], place: dict[str, Any]) -> tuple[list[tuple[Run, RunRow | None]], bool]:
    """The runs with their rows, where they have them, and whether these are the runs of a comparison alone."""
    loaded: list[tuple[Run, RunRow | None]] = []
    compared = []
    for one in asked:
        if isinstance(one, Run):
            loaded.append((one, None))
            continue
        compared.append(is_comparison(Path(one)))
        rows = rows_of(Path(one)) if compared[-1] else [None]
        loaded += [(load_run(one if row is None else row.run, **place), row) for row in rows]
    return loaded, len(asked) == 1 and compared == [True]


def _measured(loaded: Sequence[tuple[Run, RunRow | None]], progress: Progress | None) -> list[Measured]:
    names = names_of([run for run, _ in loaded])
    measured = []
    for number, ((run, row), name) in enumerate(zip(loaded, names, strict=True)):
        if progress is not None and len(loaded) > 1:
            progress(f"measuring {name}", number, len(loaded))
        kept = row if row is not None and row.step == run.step else None
        measured.append(measure(run, name, kept, progress))
    return measured


def _title(runs: Sequence[Measured], is_compared: bool) -> str:
    datasets = list(dict.fromkeys(one.dataset for one in runs))
    what = datasets[0] if len(datasets) == 1 else f"{', '.join(datasets[:-1])} and {datasets[-1]}"
    return f"{len(runs)} β-VAEs of {what}{', compared' if is_compared else ''}"


def _subtitle(runs: Sequence[Measured]) -> Markup:
    names = ", ".join(one.title for one in runs[:8]) + (", …" if len(runs) > 8 else "")
    return joined(f"Report of the run{'s' * (len(runs) > 1)} {names}")


def _version() -> Markup:
    return joined(f"Written by pyro-bvae {version_of('pyro-bvae')}")
