"""One process downloads or prepares a file, and others that want it wait."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..files import locked, make_folder

__all__ = ["Progress", "one_writer"]

# called while something takes long: what it is, how much of it is done, how much there is
Progress = Callable[[str, int, int], None]


@contextmanager
def one_writer(path: Path, does: str, progress: Progress | None = None) -> Iterator[None]:
    """Be the only one who writes a file; wait for another who does, who may have written it then.

    Args:
        path: The file, or a folder. The lock lies beside it, as ``path``.lock.
        does: What is done to it, like "prepares".
        progress: Told for whom this process waits.

    Raises:
        OSError: Nothing can be written there.
    """

    def waiting(holder: str) -> None:
        if progress is not None:
            progress(f"waiting for {holder}, who {does} {path.stem}", 0, 1)

    make_folder(path.parent)
    with locked(path.with_name(f"{path.name}.lock"), str(path), waiting):
        yield
