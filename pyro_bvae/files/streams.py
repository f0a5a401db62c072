"""Streams that people look at."""

from __future__ import annotations

import os
from typing import TextIO

__all__ = ["is_terminal"]


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a stream shows a bar that is drawn over itself: not in a pipe, if closed, or where TERM is "dumb"."""
    return stream is not None and not stream.closed and stream.isatty() and os.environ.get("TERM") != "dumb"
