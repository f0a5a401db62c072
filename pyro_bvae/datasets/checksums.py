"""Check that a file is the one that was published."""

from __future__ import annotations

import hashlib
from pathlib import Path

__all__ = ["check_md5", "md5_of"]


def md5_of(path: Path) -> str:
    """The MD5 of a file's bytes: a checksum against damage, not against an attacker."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def check_md5(path: Path, expected: str) -> None:
    """Make sure that a file has the expected MD5.

    Raises:
        ValueError: It has another one.
        OSError: It cannot be read.
    """
    md5 = md5_of(path)
    if md5 != expected:
        raise ValueError(f"{path} is damaged or not the published file: its md5 is {md5}, expected {expected}")
