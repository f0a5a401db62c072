"""Which columns of a table are left out because the user says so: by name, or by number from 1."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from .notes import counted, named
from .table import Table

__all__ = ["listed", "numbers_of"]


def listed(names: str | int | Sequence[str | int]) -> str:
    """Names or numbers of columns in one text, with commas between, as a command line and a config.json have them.

    >>> listed(["id", "a, b"]), listed("id,date"), listed(2)
    ('id,"a, b"', 'id,date', '2')
    """
    if isinstance(names, str | int):
        return str(names)
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(names)
    return text.getvalue()


def numbers_of(table: Table, names: str | None, may_lack: bool = False) -> list[int]:
    """The columns that a text as of `listed` names, from 0 on; the table's notes say which are left out.

    Args:
        table: The table.
        names: Of columns, or their numbers from 1 on; None for none.
        may_lack: Whether columns that the table does not have are no error.

    Raises:
        ValueError: The table has no such column, or no other one.
    """
    columns: dict[int, str] = {}
    known = table.names or []
    for name in next(csv.reader([names or ""], skipinitialspace=True), []):
        is_number = name.isdecimal() and 1 <= int(name) <= table.width
        if name and name in known:
            columns |= {column: name for column, other in enumerate(known) if other == name}
        elif is_number:
            columns[int(name) - 1] = name
        elif not may_lack:
            choice = f"choose from {named([other for other in known if other])}" if known else "give its number, from 1"
            raise ValueError(f"{table.path} has no column {name!r} to leave out: {choice}")
    if columns:
        table.notes.append(f"{counted(len(columns), 'column')} left out as asked: {named([*columns.values()])}")
    return [*columns]
