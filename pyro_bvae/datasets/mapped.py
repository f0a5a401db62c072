"""Images that are prepared once and then read from a memory-mapped file, shared by all runs that use them.

A file holds the N·C·H·W bytes, and a json beside it what they were made from, their shape, and their SHA-256. The json
is written last, and if the file does not fit it, both are written anew. One process writes, and others that want the
file wait for it; who finds it whole reads it without a lock, also where nothing can be written.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..files import atomic_write, remove_abandoned, write_json
from .room import OR_FEWER, check_room
from .waiting import Progress, one_writer

__all__ = ["Progress", "facts_of", "mapped", "remarks_of"]


def mapped(
    path: Path,
    key: Mapping[str, Any],
    make: Callable[[], tuple[Sequence[int], Iterable[np.ndarray]]],
    progress: Progress | None = None,
    remarks: Any = None,
) -> tuple[Tensor, str]:
    """Images from a file, which is written first if it is missing, truncated, or made from something else.

    Args:
        path: The file; its json lies beside it.
        key: Everything that the content depends on, as plain data: the origin of the images, and what is done to them.
        make: Returns the shape ``(N, C, H, W)`` and the images, uint8, in blocks along N. It is called only to write
            the file.
        progress: Called with the number of images written.
        remarks: What else is to be kept of them, as plain data, see `remarks_of`.

    Returns:
        The images, uint8 and mapped from the file, and the SHA-256 of their bytes.

    Raises:
        OSError: The file cannot be written: no room, or no permission.
    """
    wanted = json.loads(json.dumps(key))
    opened = _opened(path, wanted)
    if opened is None:
        with one_writer(path, "prepares", progress):
            remove_abandoned(path.parent)
            opened = _opened(path, wanted)  # another process may have written it in the meantime
            if opened is None:
                shape, blocks = make()
                facts = {"key": wanted, "shape": list(shape), "sha256": _write(path, shape, blocks, progress)}
                write_json(path.with_suffix(".json"), facts | {"remarks": remarks})
                opened = _opened(path, wanted)
    if opened is None:
        raise OSError(f"{path} was changed while it was read: try again")
    return opened


def _opened(path: Path, wanted: Mapping[str, Any]) -> tuple[Tensor, str] | None:
    """The images and their SHA-256; None where the file is missing, cut short, or made from something else."""
    facts = facts_of(path)
    try:
        if facts is None or facts["key"] != wanted or path.stat().st_size != prod(facts["shape"]):
            return None
        flat = torch.from_file(str(path), shared=False, size=prod(facts["shape"]), dtype=torch.uint8)
    except (FileNotFoundError, RuntimeError):
        if facts_of(path) == facts:
            raise
        return None
    if facts_of(path) != facts:  # another process began to write another file in its place
        return None
    return flat.view(*facts["shape"]), str(facts["sha256"])


def remarks_of(path: Path, key: Mapping[str, Any]) -> Any:
    """What was remarked of a file when it was written; None if it is missing, cut short, or made from other things."""
    opened = _opened(path, json.loads(json.dumps(key)))
    facts = None if opened is None else facts_of(path)
    return None if facts is None else facts.get("remarks")


def facts_of(path: Path) -> dict[str, Any] | None:
    """The content of the json; None if it or the file is missing, or it is not one of ours."""
    try:
        facts = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    ours = isinstance(facts, dict) and {"key", "shape", "sha256"} <= facts.keys() and path.is_file()
    return facts if ours else None


def _write(path: Path, shape: Sequence[int], blocks: Iterable[np.ndarray], progress: Progress | None) -> str:
    """Write the images, but not through a memory map, which on a full disk kills the process without an error."""
    path.with_suffix(".json").unlink(missing_ok=True)
    path.unlink(missing_ok=True)
    check_room(path, prod(shape), OR_FEWER)
    digest, done = hashlib.sha256(), 0
    with atomic_write(path) as partial:
        with open(partial, "wb") as file:
            for block in blocks:
                content = np.ascontiguousarray(block, dtype=np.uint8)
                file.write(content.data)
                digest.update(content.data)
                done += len(content)
                if progress is not None:
                    progress(f"preparing {path.stem}", done, shape[0])
        if partial.stat().st_size != prod(shape):
            raise OSError(f"it came out with {done} images in place of {shape[0]}")
    return digest.hexdigest()
