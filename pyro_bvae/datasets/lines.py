"""The lines of a text file in any of the usual encodings, compressed or not.

Compression is known by the first bytes of a file (gzip, bzip2, xz, zip), its encoding by a byte order mark, and without
one UTF-8 is taken, or Windows-1252 where the first bytes are no UTF-8. What is compressed is unpacked as it is read,
and never to much more than a table of that size could hold.
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, cast

__all__ = ["lines"]

OPENERS: dict[bytes, Callable[[BinaryIO], Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}
MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # before that of UTF-16, with which it begins
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
HEAD = 1 << 16  # bytes from which the encoding is known
LONGEST_LINE = 1 << 24  # characters
MOST_UNPACKED = 1 << 28  # characters that any compressed table may have; a larger file may have more
MOST_TIMES = 100  # its own size
DAMAGED = (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, gzip.BadGzipFile)


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a file without their ends, each with its number from 1.

    Raises:
        ValueError: It is no text, damaged, a zip of several files, a workbook, or unpacks to far more than its size.
        OSError: It cannot be read.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise ValueError(f"{path} is a pipe or a device, and no file: save the table to a file first")
    with ExitStack() as stack:
        try:
            file, is_packed = _opened(path, stack)
            head = file.read(HEAD)
            file.seek(0)
            text = io.TextIOWrapper(cast("BinaryIO", file), _encoding(path, head), errors="replace")
            most = max(MOST_UNPACKED, MOST_TIMES * path.stat().st_size) if is_packed else None
            yield from _numbered(path, text, most)
        except DAMAGED as error:
            raise ValueError(f"{path} is damaged and cannot be unpacked: {error}") from error
        except OSError as error:
            if error.errno is None:  # of a decompressor, and not of the disk
                raise ValueError(f"{path} is damaged and cannot be unpacked: {error}") from error
            raise


def _numbered(path: Path, text: io.TextIOWrapper, most: int | None) -> Iterator[tuple[int, str]]:
    size, number = 0, 0
    while line := text.readline(LONGEST_LINE):
        number += 1
        size += len(line)
        if len(line) == LONGEST_LINE:
            raise ValueError(f"{path}, line {number}: more than {LONGEST_LINE:,} characters; it is no table")
        if most is not None and size > most:
            raise ValueError(
                f"{path} unpacks to more than {most:,} characters, far more than a file of its size should hold; "
                "unpack it, and give the file that comes out"
            )
        yield number, line.rstrip("\n")


def _opened(path: Path, stack: ExitStack) -> tuple[BinaryIO | io.BufferedIOBase, bool]:
    """The file as bytes, unpacked, and whether it was packed."""
    file = stack.enter_context(path.open("rb"))
    first = file.read(8)
    file.seek(0)
    if first.startswith(b"PK"):
        return stack.enter_context(_member(path, stack.enter_context(zipfile.ZipFile(file)))), True
    for magic, opener in OPENERS.items():
        if first.startswith(magic):
            return stack.enter_context(opener(file)), True
    if first.startswith(b"\xd0\xcf\x11\xe0"):
        raise ValueError(f"{path} is a workbook of Excel: save its sheet as csv")
    return file, False


def _member(path: Path, archive: zipfile.ZipFile) -> io.BufferedIOBase:
    """The one table in a zip; what a Mac adds to it is no table."""
    if "[Content_Types].xml" in archive.namelist():
        raise ValueError(f"{path} is a workbook of Excel: save its sheet as csv")
    files = [each for each in archive.infolist() if not each.is_dir() and not each.filename.startswith("__MACOSX")]
    tables = [each for each in files if not Path(each.filename).name.startswith(".")]
    if len(tables) != 1:
        raise ValueError(f"{path} is a zip of {len(tables)} files, not of one table: unpack it, and give one of them")
    if tables[0].flag_bits & 1:
        raise ValueError(f"{path} is encrypted: unpack it, and give the file that comes out")
    try:
        return cast("io.BufferedIOBase", archive.open(tables[0]))
    except NotImplementedError as error:
        raise ValueError(f"{path} is packed in a way that cannot be read ({error}): unpack it yourself") from error


def _encoding(path: Path, head: bytes) -> str:
    for mark, encoding in MARKS.items():
        if head.startswith(mark):
            return encoding
    if b"\0" in head:
        raise ValueError(f"{path} holds bytes that are no text; save the table as text, in UTF-8")
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"
