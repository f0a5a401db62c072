"""The latent explorer: a page on this machine on which every latent is a slider, for one run or two side by side."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from html import escape
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Any

import torch
from torch import Tensor

from ..datasets import Dataset, Progress
from ..model import BetaVAE
from ..runs.run import Run, load_run
from ..settings.words import plain
from .document import page
from .server import HOST, PageServer
from .session import Session
from .views import Shown, shown, view_of

__all__ = ["Explorer", "explore"]

MOST_RUNS = 2
OTHER_DATA = "the held-out data are not those of the run beside it: the same number may start from another"
POLLING = 0.1  # seconds, after which closing is noticed
INLINE_HEIGHT = 900  # pixels of a notebook's cell
Explorable = Run | BetaVAE | str | os.PathLike[str]


class Explorer:
    """A page that is being served, until `close`; at the end of a notebook's cell it is shown there.

    Args:
        sessions: One a run.
        port: Of 127.0.0.1; 0 takes a free one.

    Raises:
        OSError: The port is taken, or not ours to take.

    Attributes:
        notes: What the page has to do without, a line each.
    """

    def __init__(self, sessions: Sequence[Session], port: int) -> None:
        self._sessions = sessions
        views = [session.view for session in sessions]
        self._title = " and ".join(view["title"] for view in views)
        self.notes = [note for view in views for note in (view["data_note"], view["names_note"]) if note is not None]
        self._server = _server(port, self._page, sessions)
        serve = {"poll_interval": POLLING}
        self._thread = Thread(target=self._server.serve_forever, kwargs=serve, name="explorer", daemon=True)
        self._thread.start()

    def __repr__(self) -> str:
        return f"<Explorer of {self._title}: {self.url}{'' if self._thread.is_alive() else ' (closed)'}>"

    def _repr_html_(self) -> str:
        style = "width: 100%; border: 0"
        frame = (
            f'<iframe src="{self.url}" height="{INLINE_HEIGHT}" style="{style}" title="{escape(self._title)}"></iframe>'
        )
        return f'{frame}<p><a href="{self.url}" target="_blank">{self.url}</a></p>'

    @property
    def port(self) -> int:
        """The port that is served."""
        return self._server.server_address[1]

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{HOST}:{self.port}/"

    def close(self) -> None:
        """End it, and let the port go."""
        if self._thread.is_alive():
            self._server.end()
            self._thread.join()

    def wait(self) -> None:
        """Wait until it is closed."""
        while self._thread.is_alive():
            self._thread.join(POLLING)  # in parts, for Ctrl-C

    def __enter__(self) -> Explorer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _page(self) -> str:
        return page("page.html", [session.view for session in self._sessions], self._title)


def explore(
    run: Explorable | Sequence[Explorable],
    data: Dataset | Tensor | None = None,
    *,
    port: int = 0,
    progress: Progress | None = None,
) -> Explorer:
    """Serve a page on which every latent is a slider, with its KL, and the picture follows.

    It shows the model as it is now; of one that is trained on, ask anew.

        explorer = explore("runs/digits-beta6-seed0")     # in a notebook, the page is shown below the cell
        explorer.url, explorer.close()

    Args:
        run: A run, its folder, or a model; or two of them, to be side by side.
        data: What to start from, and to draw the codes of: a data set, or images or vectors ``(N, *shape)``, uint8 or
            float. By default the held-out data of the run, where they can be read.
        port: Of 127.0.0.1; 0 takes a free one.
        progress: Called while data load and are encoded.

    Returns:
        The page's server, which runs in a thread of its own until it is closed.

    Raises:
        ValueError: No run or more than two, or data of another shape than the model's.
        OSError: The port is taken, or a run cannot be read.
    """
    things = [run] if isinstance(run, Run | BetaVAE | str | os.PathLike) else list(run)
    if not 1 <= len(things) <= MOST_RUNS:
        raise ValueError(f"the explorer shows one run, or two side by side, got {len(things)}")
    held = _as_dataset(data) if isinstance(data, Tensor) else data
    subjects = [shown(_opened(thing), held, progress) for thing in things]
    views = [view_of(subject, progress=progress) for subject in subjects]
    views = _side_by_side(subjects, views) if len(views) == MOST_RUNS else views
    return Explorer([Session(subject, view) for subject, view in zip(subjects, views, strict=True)], port)


def _opened(thing: Explorable) -> Run | BetaVAE:
    return thing if isinstance(thing, Run | BetaVAE) else load_run(Path(thing))


def _side_by_side(subjects: Sequence[Shown], views: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The views of two runs, kept apart by their paths where their titles are equal, with a note where data differ."""
    one, other = ({"title": _longer_title(view, number)} for number, view in enumerate(views, 1))
    if views[0]["title"] != views[1]["title"]:
        one, other = {}, {}
    data = [subject.data for subject in subjects]
    if data[0] is not None and data[1] is not None and data[0].fingerprint != data[1].fingerprint:
        one["data_note"] = other["data_note"] = OTHER_DATA
    return [views[0] | one, views[1] | other]


def _longer_title(view: dict[str, Any], number: int) -> str:
    return plain(view["path"] or f"{view['title']}, {number}")


def _as_dataset(data: Tensor) -> Dataset:
    """Data of one's own, all of which can be started from."""
    index = torch.arange(len(data))
    return Dataset("data", data, train=index, held_out=index)


def _server(port: int, make: Any, sessions: Sequence[Session]) -> PageServer:
    """The server.

    Raises:
        OSError: The port is taken, or not ours to take; in one line, which says how to go on.
    """
    try:
        return PageServer(port, make, sessions)
    except OSError as error:
        reasons = {errno.EADDRINUSE: "is taken", errno.EACCES: "is not yours to take"}
        reason = reasons.get(error.errno or 0, f"cannot be served: {error.strerror}")
        raise OSError(f"port {port} {reason}: choose another, or none to get a free one") from error
