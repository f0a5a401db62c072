"""JSON as other people's programs and editors leave it: read whole, or refused with what is the matter."""

from __future__ import annotations

import json
from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from typing import Any

__all__ = ["json_of", "parsed_json", "read_json"]

MOST_BYTES = 16 * 2**20  # of a JSON file that is read whole; a config.json has a few thousand


def read_json(path: Path) -> Any:
    """Read a JSON file, whoever wrote it: with a byte order mark or without, of at most 16 MiB.

    Raises:
        ValueError: It is too large, is no JSON, names a key twice, or holds a number that is not finite.
        OSError: It cannot be read.
    """
    with open(path, "rb") as file:
        return json_of(file.read(MOST_BYTES + 1), path)


def json_of(content: bytes, where: object) -> Any:
    """The content of a JSON file that was read; ``where`` names the file, for the message.

    Raises:
        ValueError: See `read_json`.
    """
    if len(content) > MOST_BYTES:
        raise ValueError(f"{where} is larger than {MOST_BYTES >> 20} MiB, and nothing that this package writes")
    try:
        return parsed_json(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise ValueError(f"{where} is damaged or no JSON: {reason}") from error


def parsed_json(text: str) -> Any:
    """The content of a JSON text.

    Raises:
        ValueError: It is no JSON, names a key twice, or holds a number that is not finite.
        RecursionError: It is nested too deeply.

    >>> parsed_json('{"step": 1}')
    {'step': 1}
    """
    return json.loads(text, parse_constant=_finite, parse_float=_finite, object_pairs_hook=_mapping)


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError(f"{text[:40]} is no finite number")
    return number


def _mapping(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice[:40]!r} stands there twice")
    return mapping
