"""Files that are written atomically: they are there whole or not at all."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["as_json", "atomic_write", "write_csv", "write_json"]


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """A path beside ``path``, with its ending, to write to; it takes the place of ``path`` when all went well.

    What stood at ``path`` stays if anything goes wrong, a full disk included.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.stem}.partial{path.suffix}")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def as_json(content: Any) -> str:
    """Content as the JSON that this package writes: indented, in UTF-8, without NaN.

    Raises:
        ValueError: A number is NaN or infinite, which JSON does not have.
    """
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file atomically.

    Raises:
        ValueError: A number is NaN or infinite, which JSON does not have.
    """
    with atomic_write(path) as partial:
        partial.write_text(as_json(content) + "\n", encoding="utf-8")


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None) -> None:
    """Write a csv with a header atomically.

    Args:
        path: The file.
        rows: At least one.
        columns: What to write of each row, in this order; by default all that the first row has.
    """
    with atomic_write(path) as partial, open(partial, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns or list(rows[0]), extrasaction="ignore" if columns else "raise")
        writer.writeheader()
        writer.writerows(rows)
