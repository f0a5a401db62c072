"""The lines of a run's history: JSON objects, parted by line feeds and nothing else."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..files import atomic_write, check_lock, naming, parsed_json
from ..settings.stored import check_line

__all__ = ["append_line", "as_lines", "lines_of", "read_lines", "write_lines"]


def append_line(path: Path, record: dict[str, Any]) -> None:
    """Add a line.

    Raises:
        OSError: It cannot be written, and may be there in part.
        LostError: Another process has taken over the lock of the folder.
    """
    check_lock(path)
    with naming(path), open(path, "a", encoding="utf-8", newline="\n") as file:
        file.write(json.dumps(record, allow_nan=False) + "\n")


def write_lines(path: Path, records: Sequence[dict[str, Any]]) -> None:
    """Replace the whole file."""
    with atomic_write(path) as partial:
        partial.write_bytes(as_lines(records))


def as_lines(records: Sequence[dict[str, Any]]) -> bytes:
    """The content of a file of these lines."""
    return "".join(json.dumps(record) + "\n" for record in records).encode()


def read_lines(path: Path) -> list[dict[str, Any]]:
    """All lines, none where there is no file; a last one that a kill cut short is left out.

    Raises:
        ValueError: An earlier line is damaged.
    """
    return lines_of(path.read_bytes(), path) if path.exists() else []


def lines_of(content: bytes, where: object) -> list[dict[str, Any]]:
    """The lines in the content of a file; ``where`` names it, for the message.

    Raises:
        ValueError: See `read_lines`.
    """
    lines = content.removesuffix(b"\n").split(b"\n")
    records = []
    for number, line in enumerate(lines, start=1):
        try:
            records.append(_record(line))
        except ValueError as error:
            if number < len(lines):
                raise ValueError(f"{where} is damaged at line {number}: {error}") from error
    return records


def _record(line: bytes) -> dict[str, Any]:
    try:
        return check_line(parsed_json(line.decode()))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
