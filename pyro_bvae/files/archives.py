"""Whether the records of a zip are what was written.

A zip stores the CRC-32 of each record, and not every reader looks at it. A record may also be compressed, a thousand to
one, or lie in the file once and be listed many times: then it takes far more memory than the file has bytes.
"""

from __future__ import annotations

import zipfile
import zlib
from io import BytesIO
from pathlib import Path

__all__ = ["check_stored"]


def check_stored(file: Path | BytesIO) -> None:
    """Read a zip whose records are stored as they are, not compressed, and compare their checksums.

    Raises:
        ValueError: It is no such zip, a record is damaged, or the records are larger than the file.
        OSError: It cannot be read.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            records = archive.infolist()
            compressed = next((record for record in records if record.compress_type != zipfile.ZIP_STORED), None)
            if compressed is not None:
                raise ValueError(f"its record {compressed.filename} is compressed")
            size = sum(record.file_size for record in records)
            there = file.stat().st_size if isinstance(file, Path) else file.getbuffer().nbytes
            if size > there:
                raise ValueError(f"its records are said to hold {size:,} bytes, and the whole file has {there:,}")
            damaged = archive.testzip()
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise ValueError(f"it cannot be read ({error})") from error
    if damaged is not None:
        raise ValueError(f"the checksum of its record {damaged} is wrong")
