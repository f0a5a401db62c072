"""Collections of picture files, decoded once: small ones into memory, large ones into a memory-mapped file."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .archives import Archive
from .decoding import Preparation, decode, decode_all
from .mapped import Progress, mapped

__all__ = ["load_pictures"]


def load_pictures(
    archive: Archive,
    names: Sequence[str],
    how: Preparation,
    kept: Path,
    *,
    in_memory_below: int = 0,
    progress: Progress | None = None,
) -> tuple[Tensor, str | None]:
    """The pictures of some files.

    Args:
        archive: Where the files are.
        names: Their names, at least one.
        how: What is done to each picture.
        kept: The folder of memory-mapped files.
        in_memory_below: Size in bytes below which the pictures are held in memory and not written to a file.
        progress: Called with the number of pictures decoded.

    Returns:
        uint8 images ``(N, C, H, W)``, and their SHA-256 if they are memory-mapped.

    Raises:
        ValueError: A picture is damaged, or they differ in size and ``how`` does not bring them to one.
        OSError: There is no room.
    """
    shape = (len(names), *decode(archive.read(names[0]), f"{archive.path}/{names[0]}", how).shape)
    if np.prod(shape) < in_memory_below:
        return torch.from_numpy(np.concatenate(list(decode_all(archive, names, how)))), None
    key: dict[str, Any] = {"path": str(archive.path), "signature": archive.signature, **how.key, "files": _hash(names)}
    stem = f"{archive.path.stem}-{_hash([str(archive.path), str(how), str(len(names))])[:8]}.u8"
    return mapped(kept / stem, key, lambda: (shape, decode_all(archive, names, how)), progress)


def _hash(names: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(names).encode()).hexdigest()
