"""Collections of picture files as images, decoded once: small ones into memory, large ones into a mapped file."""

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
    """The pictures of those names.

    Args:
        archive: Where they are.
        names: Which, at least one.
        how: What is done to each.
        kept: The folder of mapped files.
        in_memory_below: Bytes below which they are simply held in memory.
        progress: Told of the pictures decoded.

    Returns:
        uint8 images ``(N, C, H, W)``, and their SHA-256 where they are mapped.

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
