"""Numpy's npy and npz files, read without running code, and without unpacking more than a file can be expected to hold.

A few bytes of an npz can unpack to gigabytes. What an archive states of an array is checked before it is read, and
reading stops at what was stated.
"""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from .kinds import kind_of
from .notes import named, shortened

__all__ = ["blocks_of", "header_of", "read_npy", "read_npz", "shapes_of"]

Header = tuple[tuple[int, ...], bool, np.dtype[Any]]  # shape, whether it is stored by columns, type
ALWAYS_UNPACKED = 2**28  # bytes: a quarter of a gigabyte; what is larger
MOST_UNPACKED = 100  # may take this many times its bytes in the archive


class _PickledError(ValueError):
    """An array of objects, which only running code could read."""


def read_npy(path: Path) -> np.ndarray:
    """The array of an npy file.

    Raises:
        ValueError: It is an npz, damaged, or holds pickled objects.
        OSError: It cannot be read.
    """
    if _begins(path) == b"PK":
        raise ValueError(f"{path} is not an npy file; write npz:{path}")
    with open(path, "rb") as file:
        return _array(path, file, path.stat().st_size)


def read_npz(path: Path, wanted: Collection[str]) -> dict[str, np.ndarray]:
    """Those of the wanted arrays that an npz holds.

    Raises:
        ValueError: It is an npy, damaged, packed beyond measure, or holds pickled objects.
        OSError: It cannot be read.
    """
    if _begins(path) == b"\x93N":
        raise ValueError(f"{path} is not an npz file; write npy:{path} for a single array")
    arrays = {}
    with _zip(path) as archive:
        for info in archive.infolist():
            name = info.filename.removesuffix(".npy")
            if name in wanted:
                _check_size(path, info)
                try:
                    with archive.open(info) as file:
                        arrays[name] = _array(path, file, info.file_size, name)
                except (zipfile.BadZipFile, RuntimeError, zlib.error, EOFError) as error:
                    raise ValueError(f"{path} is damaged or no numpy file: {error}") from error
    return arrays


def shapes_of(path: Path) -> dict[str, str]:
    """The names of the arrays in an npz, each with its type and shape where its header says them."""
    shapes = {}
    with _zip(path) as archive:
        for info in archive.infolist():
            try:
                with archive.open(info) as file:
                    shape, _, dtype = _header(file)
                said = f"{'×'.join(map(str, shape)) or 'one'} {dtype}"
            except Exception:  # whatever stands in place of a header
                said = "no array"
            shapes[info.filename.removesuffix(".npy")] = said
    return shapes


def header_of(path: Path, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """The shape and the type of an array in an npz.

    Raises:
        ValueError: There is none of that name, or the file is damaged.
        OSError: It cannot be read.
    """
    with _member(path, name) as (_, (shape, _, dtype)):
        return shape, dtype


def blocks_of(path: Path, name: str, shape: Sequence[int], rows: int) -> Iterator[np.ndarray]:
    """An array of bytes in an npz, read from its front to its end, a block at a time: uint8 ``(B, *shape)``.

    Args:
        path: The npz.
        name: Of the array, whose last axes have that ``shape``; those before count its rows.
        shape: Of a row.
        rows: How many make a block.

    Raises:
        ValueError: The array is not there, not of bytes, cut short, or its checksum is wrong.
        OSError: It cannot be read.
    """
    with _member(path, name) as (file, (whole, is_fortran, dtype)):
        if dtype != np.uint8 or is_fortran or whole[len(whole) - len(shape) :] != tuple(shape):
            order = ", by columns" if is_fortran else ""
            raise ValueError(f"{path}: {name} must be uint8 of ...×{'×'.join(map(str, shape))}, got {dtype}{order}")
        left = math.prod(whole)
        while left:
            content = bytearray(min(left, rows * math.prod(shape)))
            if _fill(file, content) < len(content):
                raise ValueError(f"{path} is damaged: {name} is cut short")
            left -= len(content)
            yield np.frombuffer(content, np.uint8).reshape(-1, *shape)
        file.read(1)  # at the end the checksum is compared


@contextmanager
def _member(path: Path, name: str) -> Iterator[tuple[IO[bytes], Header]]:
    """An array of an npz, open behind its header."""
    if _begins(path) == b"\x93N":
        raise ValueError(f"{path} is an npy file, and not an npz with an array {name!r}")
    with _zip(path) as archive:
        info = next((info for info in archive.infolist() if info.filename.removesuffix(".npy") == name), None)
        if info is None:
            there = [info.filename.removesuffix(".npy") for info in archive.infolist()]
            raise ValueError(f"{path} has no array {name!r}, only {named(there) or 'nothing'}")
        try:
            with archive.open(info) as file:
                yield file, _stated(path, file)
        except (zipfile.BadZipFile, RuntimeError, zlib.error, EOFError) as error:
            raise ValueError(f"{path} is damaged or no numpy file: {error}") from error


def _stated(path: Path, file: IO[bytes]) -> Header:
    try:
        return _header(file)
    except OSError:
        raise
    except Exception as error:  # whatever the bytes of a damaged header make numpy's reader raise
        raise ValueError(f"{path} is damaged or no numpy file: {' '.join(str(error).split())}") from error


def _begins(path: Path) -> bytes:
    with open(path, "rb") as file:
        first = file.read(2**8)
    if first[:2] not in (b"\x93N", b"PK"):
        raise ValueError(f"{path} is damaged or no numpy file: {kind_of(first)}")
    return first[:2]


def _zip(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except OSError:
        raise
    except Exception as error:  # whatever the bytes of a damaged file make the reader raise
        raise ValueError(f"{path} is damaged or no numpy file: {error}") from error


def _check_size(path: Path, info: zipfile.ZipInfo) -> None:
    """Refuse what unpacks to much more than it is: black images, or an attack."""
    most = max(ALWAYS_UNPACKED, MOST_UNPACKED * info.compress_size)
    if info.file_size > most:
        name = shortened(info.filename.removesuffix(".npy"))
        raise ValueError(
            f"{path}: {name} would take {info.file_size:,} bytes unpacked, and of its {info.compress_size:,} bytes at "
            f"most {most:,} are unpacked: write it with np.savez or np.save, which do not pack"
        )


def _header(file: IO[bytes]) -> Header:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(file)


def _array(path: Path, file: IO[bytes], size: int, name: str = "it") -> np.ndarray:
    """The array in a file of so many bytes."""
    try:
        shape, is_fortran, dtype = _header(file)
        if dtype.hasobject:
            raise _PickledError(
                f"{path}: {shortened(name)} holds pickled objects, which are not read; save numbers, with "
                "np.stack(list) where it is a list of arrays of one shape, and names with .astype(str)"
            )
        count = math.prod(shape)
        if count * dtype.itemsize > size:
            raise ValueError(f"its header states {count * dtype.itemsize:,} bytes, and {size:,} are there")
        content = bytearray(count * dtype.itemsize)
        if _fill(file, content) < len(content):
            raise ValueError("it is cut short")
        return np.ndarray(shape, dtype, content, order="F" if is_fortran else "C")
    except (OSError, MemoryError, _PickledError):
        raise
    except Exception as error:  # whatever the bytes of a damaged file make numpy's reader raise
        reason = "it is cut short" if isinstance(error, EOFError) else " ".join(str(error).split())
        raise ValueError(f"{path} is damaged or no numpy file: {reason}") from error


def _fill(file: IO[bytes], content: bytearray) -> int:
    """Read into all of ``content``, and say how much there was."""
    view, start = memoryview(content), 0
    while start < len(view):
        piece = file.read(min(2**20, len(view) - start))
        if not piece:
            break
        view[start : start + len(piece)] = piece
        start += len(piece)
    return start
