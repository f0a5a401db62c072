"""Write the API pages: `python -W error tests/api_pages.py build/api`, then open build/api/index.html.

All modules are named, and what packages import lazily is imported first: pdoc looks only at what is there.
"""

from __future__ import annotations

import pkgutil
import sys
from pathlib import Path

import pdoc
from pdoc.extract import walk_specs

import pyro_bvae
from pyro_bvae import comparison

__all__ = ["modules", "specifications", "write"]


def modules() -> list[str]:
    """The names of all modules of the library; ``__main__`` is the command line's, and runs it."""
    names = sorted(each.name for each in pkgutil.walk_packages(pyro_bvae.__path__, "pyro_bvae."))
    return ["pyro_bvae", *(name for name in names if not name.endswith("__main__"))]


def specifications() -> list[str]:
    """What to give pdoc so that each module has one page: it follows a package only to what ``__all__`` names."""
    reached: set[str] = set()
    given = []
    for name in modules():
        if name not in reached:
            given.append(name)
            reached |= set(walk_specs([name]))
    return given


def write(folder: Path) -> None:
    """Write a page a module."""
    for package in (pyro_bvae, comparison):
        for name in package.__all__:
            setattr(package, name, getattr(package, name))
    pdoc.render.configure(docformat="google")
    pdoc.pdoc(*specifications(), output_directory=folder)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
