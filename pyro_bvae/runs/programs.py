"""Programs of a run that stand in a file of the user's own.

The run folder holds a copy of the file, and its SHA-256 is in the config. Loading a run never runs code that came with
it: who loads it names the file, which has to be the same, or says that it may be another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..files import atomic_write
from ..programs import Program, chosen
from ..settings.program_text import ProgramText, is_of_one_class, program_text
from .bundle import read_program
from .names import PROGRAM

__all__ = ["Given", "keep_program", "program_of_run"]

Given = str | Program | Sequence[str | Program] | None


def program_of_run(config: Mapping[str, Any], where: Path, given: Given = None, may_differ: bool = False) -> Program:
    """The programs that a config names.

    Args:
        config: Of a run, with a name of programs.
        where: The run, its folder or file, for messages.
        given: The file of the programs, where they are of one; of several, that of the same class is taken.
        may_differ: Whether the file may be another than that of the run.

    Raises:
        ValueError: The file is not given, or is another.
        OSError: It is not there, or cannot be read.
    """
    stored = program_text(config["program"])
    if stored.file is None:
        return Program(stored.stored, of_data=config.get("program_options") or {})
    some = [given] if isinstance(given, str | Program) else list(given or ())
    files = [chosen(one) if isinstance(one, str) else one for one in some]
    fitting = [one for one in files if one.source is not None and is_of_one_class(one.text, config["program"])]
    if not fitting:
        raise ValueError(_wanted(stored, where, files))
    hashes = [one.source.sha256 for one in fitting if one.source is not None]
    number = hashes.index(config["program_sha256"]) if config["program_sha256"] in hashes else 0
    one, may_differ = fitting[number], may_differ or fitting[number].may_differ
    if hashes[number] != config["program_sha256"] and not may_differ:
        raise ValueError(
            f"{stored.file} is not, or no longer, the file of the run {where}: its SHA-256 begins with "
            f"{hashes[number][:8]}, and in the run with {str(config['program_sha256'])[:8]}; take the run's own copy, "
            f"{_copy(stored, where)}, or accept the change with `changed_program=True`"
        )
    return Program(stored.stored, one.source, config.get("program_options") or {}, may_differ)


def keep_program(folder: Path, program: Program | None) -> None:
    """Put a copy of the file of programs into a run folder; nothing where there is no file, or it lies there already.

    Raises:
        WriteError: It cannot be written.
    """
    source = None if program is None else program.source
    if source is not None and read_program(folder) != source.content:
        with atomic_write(folder / PROGRAM) as partial:
            partial.write_bytes(source.content)


def _wanted(stored: ProgramText, where: Path, given: Sequence[Program]) -> str:
    others = f"; it is not {', '.join(one.text for one in given)}" if given else ""
    return (
        f"the run {where} has programs of the class {stored.name} in {stored.file}, and no run executes code by itself"
        f"{others}: name the file, `program={stored.file}:{stored.name}` (the run has a copy: {_copy(stored, where)})"
    )


def _copy(stored: ProgramText, where: Path) -> str:
    """Where the copy of a run's file lies, as one would name it."""
    return f"{PROGRAM} in {where}" if where.is_file() else f"{where / PROGRAM}:{stored.name}"
