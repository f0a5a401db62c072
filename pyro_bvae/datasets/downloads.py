"""Download large files: with progress, resumed after an interruption, and checked before they get their final name."""

from __future__ import annotations

import os
import urllib.request
import warnings
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

from ..files import check_lock
from .checksums import md5_of
from .room import OR_FEWER, check_room
from .waiting import Progress, one_writer

__all__ = ["download", "published"]

CHUNK_BYTES = 2**20
TIMEOUT_SECONDS = 60  # without a byte


def download(
    url: str, path: Path, *, md5: str | None = None, advisory: bool = False, progress: Progress | None = None
) -> None:
    """Download a file, or the rest of it if an earlier try left a part in ``path``.part; one process at a time.

    Args:
        url: Where it is.
        path: Where the complete file goes.
        md5: Its expected MD5.
        advisory: Whether another MD5 only gives a warning.
        progress: Called with the number of bytes.

    Raises:
        OSError: The network or the disk failed, and what has arrived is kept; or the MD5 is wrong, and it is deleted.
    """
    with one_writer(path, "downloads", progress):
        if not path.exists():  # or else another process has got it in the meantime
            _download(url, path, md5, advisory, progress)


def published(
    url: str,
    path: Path,
    name: str,
    *,
    md5: str | None = None,
    advisory: bool = False,
    room: int = 0,
    progress: Progress | None = None,
) -> Path:
    """A published file, which is downloaded if it is not there.

    Args:
        url: Where it is.
        path: Where it is to lie.
        name: The data set, for messages.
        md5: Its expected MD5, of a download.
        advisory: Whether another MD5 only gives a warning.
        room: Bytes that the file and what is prepared from it take; what of them an earlier try has not brought is
            looked for before anything is downloaded.
        progress: Called with the number of bytes.

    Returns:
        The path.

    Raises:
        OSError: It is not there and cannot be downloaded; the message says where to put it.
    """
    if not path.is_file():
        check_room(path, room - _arrived(_part_of(path)), OR_FEWER)
        try:
            download(url, path, md5=md5, advisory=advisory, progress=progress)
        except OSError as error:
            raise OSError(f"{error}; or get it by other means and put it at {path}, or use {name}:PATH") from error
    return path


def _download(url: str, path: Path, md5: str | None, advisory: bool, progress: Progress | None) -> None:
    partial = _part_of(path)
    try:
        _fetch(url, partial, path.name, progress)
    except (OSError, HTTPException) as error:
        kept = f"; what has arrived is kept in {partial}, the same command goes on" if partial.exists() else ""
        raise OSError(f"cannot download {url} ({_reason(error)}){kept}") from error
    arrived = md5_of(partial)
    if md5 is not None and arrived != md5:
        said = f"{url} gave a file with md5 {arrived}, expected {md5}"
        if not advisory:
            partial.unlink()
            raise OSError(f"{said}: it was deleted, try again")
        warnings.warn(f"{said}; that one is not certain, so the file is used", stacklevel=4)
    check_lock(path)
    os.replace(partial, path)


def _fetch(url: str, partial: Path, name: str, progress: Progress | None) -> None:
    there = _arrived(partial)
    request = urllib.request.Request(url, headers={"Range": f"bytes={there}-"} if there else {})
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)
    except HTTPError as error:
        if error.code == 416 and error.headers.get("Content-Range") == f"bytes */{there}":
            return  # it is all there
        raise
    with response:
        if response.status != 206:  # the server begins at the beginning
            there = 0
        total = there + int(response.headers.get("Content-Length") or 0)
        check_room(partial, total - there)
        with open(partial, "ab" if there else "wb") as file:
            _copy(response, file, there, total, lambda done: progress and progress(f"downloading {name}", done, total))
    if total and partial.stat().st_size != total:
        raise OSError(f"it ended after {partial.stat().st_size:,} of {total:,} bytes")


def _part_of(path: Path) -> Path:
    """What is there of a download that is not complete."""
    return path.with_name(path.name + ".part")


def _arrived(partial: Path) -> int:
    return partial.stat().st_size if partial.exists() else 0


def _copy(response: HTTPResponse, file: Any, done: int, total: int, tell: Any) -> None:
    while chunk := response.read(CHUNK_BYTES):
        file.write(chunk)
        done += len(chunk)
        if total:
            tell(done)


def _reason(error: BaseException) -> str:
    return " ".join(str(getattr(error, "reason", "") or error).split()) or type(error).__name__
