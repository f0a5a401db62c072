"""Room on a disk, which is looked for before anything large is written."""

from __future__ import annotations

import shutil
from pathlib import Path

__all__ = ["OR_FEWER", "check_room"]

OR_FEWER = "name another `data_root`, or take fewer with `subsample`"


def check_room(path: Path, size: int, remedy: str = "name another `data_root`") -> None:
    """Make sure that so many bytes fit where a file goes, whose folder need not be there yet.

    Args:
        path: The file.
        size: In bytes.
        remedy: What to do where they do not fit.

    Raises:
        OSError: They do not.
    """
    folder = next(above for above in path.absolute().parents if above.exists())
    free = shutil.disk_usage(folder).free
    if free < size:
        gigabytes = f"{size / 1e9:.2f} GB are needed in {path.parent} and {free / 1e9:.2f} GB are free"
        raise OSError(f"no room for {path.name}: {gigabytes}; {remedy}")
