"""Vectors in text files, one a line, with blanks (txt) or commas (csv) between the numbers; a csv may have a header."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import torch

from .dataset import Dataset

__all__ = ["load_csv", "load_txt"]


def load_txt(path: Path) -> Dataset:
    """The vectors of a text file with blanks between the numbers; lines may begin with # for comments.

    Raises:
        ValueError: A line holds something that is no number, or more or fewer numbers than the first line.
        OSError: The file cannot be read.
    """
    return _load("txt", path, None, 0)


def load_csv(path: Path) -> Dataset:
    """The vectors of a text file with commas between the numbers; a first line with words is a header.

    Raises:
        ValueError: A line holds something that is no number, or more or fewer numbers than the first line.
        OSError: The file cannot be read.
    """
    with open(path, encoding="utf-8", errors="replace") as file:
        header = _problem(file.readline(), ",", None) is not None
    return _load("csv", path, ",", int(header))


def _load(kind: str, path: Path, delimiter: str | None, skip: int) -> Dataset:
    try:
        with warnings.catch_warnings(action="ignore"):
            vectors = np.loadtxt(path, np.float32, delimiter=delimiter, skiprows=skip, ndmin=2, encoding="utf-8")
    except ValueError as error:
        raise ValueError(_what_is_wrong(path, delimiter, skip) or f"{path}: {error}") from error
    if vectors.size == 0:
        raise ValueError(f"{path} holds no numbers")
    return Dataset(f"{kind}:{path}", torch.from_numpy(vectors), source=str(path))


def _what_is_wrong(path: Path, delimiter: str | None, skip: int) -> str | None:
    """What is wrong with the first bad line, since numpy does not say which it is."""
    count = None
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        content = line.partition("#")[0].strip()
        if number <= skip or not content:
            continue
        problem = _problem(content, delimiter, count)
        if problem is not None:
            return f"{path}, line {number}: {problem}"
        count = len(content.split(delimiter))
    return None


def _problem(line: str, delimiter: str | None, count: int | None) -> str | None:
    words = line.strip().split(delimiter)
    if count is not None and len(words) != count:
        return f"{len(words)} numbers, where the lines before have {count}"
    for word in words:
        try:
            float(word)
        except ValueError:
            return f"{word.strip()[:40]!r} is not a number"
    return None
