"""Collections of picture files, decoded once: small ones into memory, large ones into a memory-mapped file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .archives import Archive
from .decoding import Preparation, decode_all, shape_of
from .mapped import Progress, mapped, remarks_of
from .surveys import Survey, surveyed

__all__ = ["Pictures", "load_pictures"]


@dataclass(frozen=True, eq=False)
class Pictures:
    """Decoded pictures.

    Attributes:
        images: uint8 images ``(N, C, H, W)``.
        digest: Their SHA-256, if they are memory-mapped.
        counts: How many of them each file gave, in the order of the files; 0 of one that is left out.
        notes: What was left out or read in a way that one may not expect, a line each.
        levels: The grey levels that have become 0 and 1 in files whose format does not say; None if it always does.
        are_bytes: Whether grey levels have 8 bits or fewer in all files.
    """

    images: Tensor
    digest: str | None
    counts: Sequence[int]
    notes: Sequence[str]
    levels: Sequence[float] | None
    are_bytes: bool


def load_pictures(
    archive: Archive,
    names: Sequence[str],
    how: Preparation,
    kept: Path,
    *,
    in_memory_below: int = 0,
    are_own: bool = False,
    progress: Progress | None = None,
) -> Pictures:
    """The pictures of some files.

    Args:
        archive: Where the files are.
        names: Their names, at least one.
        how: What is done to each picture.
        kept: The folder of memory-mapped files.
        in_memory_below: Size in bytes below which the pictures are held in memory and not written to a file.
        are_own: Whether they are a folder of one's own: all grey, they have one channel in any case, and those of a
            kind that Pillow does not read are left out.
        progress: Called with the number of pictures looked at, then decoded.

    Raises:
        ValueError: A picture is damaged, or they differ in size and ``how`` does not bring them to one.
        OSError: There is no room.
    """
    key: dict[str, Any] = {"path": str(archive.path), "signature": archive.signature, **how.key, "files": _hash(names)}
    stem = f"{archive.path.stem}-{_hash([str(archive.path), str(how), str(len(names))])[:8]}.u8"
    remarks = remarks_of(kept / stem, key)
    survey = surveyed(archive, names, how, progress, leaves_out=are_own) if remarks is None else Survey(**remarks)
    how = replace(how, grey=how.grey or (are_own and survey.is_grey), measured=survey.measured)
    notes = [*archive.notes, *survey.notes]
    read = {name: count for name, count in zip(names, survey.counts, strict=True) if count}

    def make() -> tuple[tuple[int, ...], Iterator[np.ndarray]]:
        shape = shape_of(archive, [*read], how)
        return (sum(survey.counts), *shape), decode_all(archive, [*read], how, shape, [*read.values()])

    if remarks is None:
        shape, blocks = make()
        if np.prod(shape) < in_memory_below:
            return Pictures(
                torch.from_numpy(np.concatenate(list(blocks))),
                None,
                survey.counts,
                notes,
                survey.measured,
                survey.are_bytes,
            )
    images, digest = mapped(kept / stem, key, make, progress, remarks=asdict(survey))
    return Pictures(images, digest, survey.counts, notes, survey.measured, survey.are_bytes)


def _hash(names: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(names).encode(errors="surrogateescape")).hexdigest()
