"""What the user calls the latents of a run: names.json in its folder, ``{"3": "thickness"}``.

The file is replaced whole and needs no lock, so that a latent can be named while a fit writes the folder.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from pathlib import Path

from ..files import write_json
from ..settings.words import one_line, plain
from .bundle import read_part
from .names import LATENT_NAMES

__all__ = ["as_name", "latent_names", "read_latent_names", "write_latent_names"]

MOST_CHARACTERS = 60


def as_name(text: str) -> str:
    r"""A name as it is kept: on one line, and not longer than 60 characters; "" is none.

    >>> as_name("  width\n of the stroke ")
    'width of the stroke'
    """
    return plain(" ".join(text.split()))[:MOST_CHARACTERS].strip()


def read_latent_names(run: Path) -> dict[int, str]:
    """The names of latents, by their numbers, in a run's folder or its one file; none where there is no file.

    Raises:
        ValueError: The file is damaged, or holds something else.
        OSError: It cannot be read.
    """
    content = read_part(run, LATENT_NAMES)
    if content is None:
        return {}
    is_ours = isinstance(content, dict) and all(
        re.fullmatch(r"[0-9]{1,6}", latent) and isinstance(name, str) for latent, name in content.items()
    )
    if not is_ours:
        raise ValueError(f'{run / LATENT_NAMES} holds no names of latents, which look like {{"3": "thickness"}}')
    names = {int(latent): as_name(name) for latent, name in content.items()}
    return {latent: name for latent, name in sorted(names.items()) if name}


def write_latent_names(folder: Path, names: Mapping[int, str]) -> None:
    """Write the names of latents into a folder that is there.

    Raises:
        OSError: The folder is gone, cannot be written, or is a run in one file.
    """
    if folder.is_file():
        raise FileExistsError(f"{folder} is a run in one file, which stays as it is")
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder} any more")
    write_json(folder / LATENT_NAMES, {str(latent): names[latent] for latent in sorted(names)})


def latent_names(run: Path) -> dict[int, str]:
    """The names of latents, for a figure: with a warning, and none, where the file cannot be read."""
    try:
        return read_latent_names(run)
    except (OSError, ValueError) as error:
        warnings.warn(f"latents are shown without their names: {one_line(str(error))}", stacklevel=2)
        return {}
