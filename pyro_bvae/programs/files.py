"""Classes of programs in a file of the user's own.

The file is read once, and what was read is what runs: a fit, its workers and its run folder have the same bytes,
whatever becomes of the file meanwhile. It is run as ``python FILE.py`` would, with imports from beside it, but under a
name of its own, so that ``if __name__ == "__main__":`` does not apply.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from types import ModuleType

from ..model import BetaVAE
from ..settings.words import one_line, plain

__all__ = ["Source", "class_in", "read"]


@dataclass(frozen=True)
class Source:
    """A file of programs as it was when it was read.

    Attributes:
        path: Where it was; what it imports from beside it is looked for there.
        content: Its bytes.
    """

    path: Path
    content: bytes

    @property
    def sha256(self) -> str:
        """Of the content, in hexadecimal digits."""
        return sha256(self.content).hexdigest()


def read(path: Path) -> Source:
    """A file of programs.

    Raises:
        FileNotFoundError: It is not there.
        OSError: It cannot be read.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {plain(path)}: `program` is a name, or FILE.py:CLASS")
    return Source(path.absolute(), path.read_bytes())


def class_in(source: Source, name: str) -> type[BetaVAE]:
    """A class of programs in a file, which is run for that.

    Args:
        source: The file.
        name: Of the class; empty where the file has one.

    Raises:
        ValueError: The file fails, with the line; or it has no such class, or one that is no subclass of `BetaVAE`.
    """
    module, where = _module(source), plain(source.path.name)
    kinds = {
        each: kind
        for each, kind in vars(module).items()
        if isinstance(kind, type) and issubclass(kind, BetaVAE) and kind is not BetaVAE
    }
    there = f"it has {', '.join(kinds)}" if kinds else "it has none: write `class Mine(BetaVAE):`"
    if name in kinds:
        return kinds[name]
    if name and hasattr(module, name):
        raise ValueError(f"{name} in {where} is no subclass of BetaVAE, as programs are: {there}")
    own = [each for each, kind in kinds.items() if kind.__module__ == module.__name__]
    if name:
        raise ValueError(f"{where} has no class {plain(name)}: {there}")
    if len(own) != 1:
        raise ValueError(f"`program` names a file and a class in it, like {where}:Mine; of {where}, {there}")
    return kinds[own[0]]


@cache
def _module(source: Source) -> ModuleType:
    """The file as a module, run once however often its classes are asked for."""
    module = ModuleType(f"program_{source.path.stem}")
    module.__file__ = str(source.path)
    sys.modules[module.__name__] = module  # where dataclasses and pickle look for it
    try:
        with _imports_beside(source.path.parent):
            exec(compile(source.content, str(source.path), "exec"), vars(module))
    except Exception as error:
        del sys.modules[module.__name__]
        raise ValueError(f"{plain(source.path.name)} fails{_line(source, error)}: {_said(error)}") from error
    return module


@contextmanager
def _imports_beside(folder: Path) -> Iterator[None]:
    """Let a file import from its folder; what it imports there is its own, as another may have others of that name."""
    before = {*sys.modules}
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        beside = {name for name in {*sys.modules} - before if _lies_in(folder, sys.modules[name])}
        for name in {*sys.modules} - before:
            if name.partition(".")[0] in beside:
                del sys.modules[name]


def _lies_in(folder: Path, module: ModuleType) -> bool:
    """Whether a module, or the folder of a package, lies in a folder."""
    file = Path(getattr(module, "__file__", None) or "")
    return (file.parent if file.name == "__init__.py" else file).parent == folder


def _line(source: Source, error: Exception) -> str:
    """The last line of the file that an error passed through."""
    if isinstance(error, SyntaxError) and error.filename == str(source.path):
        return f" in line {error.lineno}"
    lines = [step.lineno for step in traceback.extract_tb(error.__traceback__) if step.filename == str(source.path)]
    return f" in line {lines[-1]}" if lines else ""


def _said(error: Exception) -> str:
    return one_line(f"{type(error).__name__}: {error.msg if isinstance(error, SyntaxError) else error}")
