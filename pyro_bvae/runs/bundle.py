"""A run in one file, to be sent or published: what a run folder holds, but for what goes on with the fit.

    pyro-bvae.json    the format of the file, and the step and the β of its weights
    config.json       the settings, without places, command lines and keys of one's own
    history.jsonl     as in the folder, up to that step
    weights.pt        the state dict of the model: plain tensors, loads with ``weights_only=True``
    names.json        what the user calls the latents, where they have names
    program.py        the file that holds the programs, where one of the user's own does
    evaluation.json   the numbers that `compare` took, where it did

It is a zip whose records are stored as they are. They have no dates, so that the same run gives the same bytes.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..files import as_json, atomic_write, check_stored, json_of, read_json, without_places
from ..settings.stored import OF_A_CONFIG, OF_A_LINE, check_config
from ..settings.words import brief
from .checkpoints import read_tensors
from .folder import RunFolder
from .history import as_lines, lines_of
from .names import EVALUATION, LATENT_NAMES, PROGRAM
from .older import understood, with_defaults

__all__ = ["FORMAT", "Bundle", "read_part", "read_program", "stored_run", "write_bundle"]

FORMAT = "pyro-bvae run file 1"
ABOUT, CONFIG, HISTORY, WEIGHTS = "pyro-bvae.json", "config.json", "history.jsonl", "weights.pt"
NEEDED, PARTS = (ABOUT, CONFIG, HISTORY, WEIGHTS), (LATENT_NAMES, EVALUATION)
READABLE = 0o644 << 16  # the rights of a record, for who unpacks it
OF_THE_MACHINE = ("machine",)  # which a config holds beside what is declared: the kind of its processor


class Bundle:
    """A run in one file, to be read as `RunFolder` reads a folder.

    Args:
        path: The file. It is read whole, and no larger than its size.

    Raises:
        FileNotFoundError: It is not there.
        ValueError: It is no such file, is damaged, or of another format.
        OSError: It cannot be read.
    """

    has_checkpoint = True

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            check_stored(path)
        except ValueError as error:
            raise ValueError(f"{path} is damaged, or no run in one file: {error}") from error
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            _check_names(names, path)
            self._records = {name: archive.read(name) for name in names}
        about = self._json(ABOUT)
        _check_about(about, path)
        self.step, self.beta = int(about["step"]), float(about["beta"])

    def read_config(self) -> dict[str, Any]:
        """The settings of the run, see `RunFolder.read_config`."""
        where = f"{self.path}: {CONFIG}"
        return understood(check_config(self._json(CONFIG), where), where)

    def read_history(self) -> list[dict[str, Any]]:
        """The lines of the history."""
        return lines_of(self._records[HISTORY], f"{self.path}: {HISTORY}")

    def load(self, at: int | None = None, device: torch.device | str = "cpu") -> dict[str, Any]:
        """The ``step``, the ``beta`` and the state dict, ``model``.

        Args:
            at: The step, if it is asked for.
            device: Where tensors go.

        Raises:
            ValueError: The file holds another step, or is damaged.
        """
        if at is not None and at != self.step:
            raise ValueError(f"{self.path} holds step {self.step} alone, and no step {at}: leave `at` out")
        where = f"{self.path}: {WEIGHTS}"
        model = read_tensors(io.BytesIO(self._records[WEIGHTS]), where, device)
        tensors = [value for value in model.values() if isinstance(value, Tensor)] if isinstance(model, dict) else []
        if not any(tensor.is_floating_point() for tensor in tensors):
            raise ValueError(f"{where} is damaged: it has no parameters")
        return {"step": self.step, "beta": self.beta, "model": model}

    def numbered_steps(self) -> list[int]:
        """The steps that have a numbered checkpoint: none."""
        return []

    def part(self, name: str) -> Any:
        """The content of one of the JSON files that may be there; None where it is not."""
        return self._json(name) if name in self._records else None

    @property
    def program(self) -> bytes | None:
        """The file that holds the programs; None where none does."""
        return self._records.get(PROGRAM)

    def _json(self, name: str) -> Any:
        return json_of(self._records[name], f"{self.path}: {name}")


def stored_run(path: Path) -> RunFolder | Bundle:
    """A run on disk: the folder of one, or a run in one file."""
    return Bundle(path) if path.is_file() else RunFolder(path)


def read_part(run: Path, name: str) -> Any:
    """A JSON file of a run, in its folder or in its one file; None where there is none.

    Raises:
        ValueError: It is damaged.
        OSError: It cannot be read.
    """
    if run.is_file():
        return Bundle(run).part(name)
    return read_json(run / name) if (run / name).exists() else None


def read_program(run: Path) -> bytes | None:
    """The copy of the file that holds the programs of a run, in its folder or in its one file; None where none does."""
    if run.is_file():
        return Bundle(run).program
    return (run / PROGRAM).read_bytes() if (run / PROGRAM).is_file() else None


def write_bundle(
    path: Path,
    config: Mapping[str, Any],
    history: list[dict[str, Any]],
    state: Mapping[str, Any],
    parts: Mapping[str, Any],
    program: bytes | None = None,
) -> None:
    """Write a run as one file, atomically.

    Args:
        path: The file.
        config: Of the run. Absolute paths are cut to their last part; command lines and keys of one's own are left out.
        history: Its lines.
        state: Its ``step``, ``beta`` and state dict, ``model``.
        parts: The contents of names.json and evaluation.json, by these names; None where there is none.
        program: The file that holds its programs, where one does.

    Raises:
        WriteError: It cannot be written; what stood there stays.
    """
    weights = io.BytesIO()
    torch.save({str(name): _plain(value) for name, value in state["model"].items()}, weights)
    about = {"format": FORMAT, "step": state["step"], "beta": state["beta"]}
    texts = {ABOUT: about, CONFIG: _shared(config)}
    texts |= {name: without_places(parts[name]) for name in PARTS if parts.get(name)}
    lines = as_lines([record for record in history if record["step"] <= state["step"]])
    records = {name: f"{as_json(content)}\n".encode() for name, content in texts.items()}
    records |= {HISTORY: lines, WEIGHTS: weights.getvalue()} | ({} if program is None else {PROGRAM: program})
    with atomic_write(path) as partial, zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:
        for name, content in records.items():
            record = zipfile.ZipInfo(name)  # dated 1980
            record.external_attr, record.create_system = READABLE, 3
            archive.writestr(record, content)


def _plain(value: Any) -> Any:
    """A tensor as one of its own, on the CPU, whatever the memory that it shares and how it is laid out there."""
    return value.detach().cpu().clone(memory_format=torch.contiguous_format) if isinstance(value, Tensor) else value


def _shared(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that a reader needs; what is missing means what it does in the run."""
    known = with_defaults(config) | {"command": None, "data_root": None}
    kept = {*OF_A_CONFIG, *OF_THE_MACHINE} - {"resumed"}
    return {name: without_places(value) for name, value in known.items() if name in kept}


def _check_names(names: list[str], path: Path) -> None:
    """Make sure that a zip has the records of a run, once each, and no others."""
    lacking = [name for name in NEEDED if name not in names]
    if ABOUT in lacking:
        raise ValueError(f"{path} is no run in one file: it holds no {ABOUT}")
    if lacking:
        raise ValueError(f"{path} is damaged: it lacks {', '.join(lacking)}")
    strange = next((name for name in names if name not in (*NEEDED, *PARTS, PROGRAM)), None)
    if strange is not None:
        raise ValueError(f"{path} is damaged: it holds {brief(strange)}, which is no part of a run")
    if len({*names}) < len(names):
        raise ValueError(f"{path} is damaged: it holds a part twice")


def _check_about(about: Any, path: Path) -> None:
    """Make sure that a file is of the format that this version reads."""
    said = about.get("format") if isinstance(about, dict) else None
    if said != FORMAT:
        number = re.fullmatch(r"pyro-bvae run file ([0-9]{1,9})", said) if isinstance(said, str) else None
        if number is None:
            raise ValueError(f"{path} is no run in one file: its format is {brief(said)}")
        newer = int(number[1]) > int(FORMAT.rpartition(" ")[2])
        how = "install a newer pyro-bvae" if newer else "export it again from its run folder"
        raise ValueError(f"{path} is of the format {said!r}, and this version reads {FORMAT!r}: {how}")
    try:
        OF_A_LINE["step"].check_stored(about.get("step"))
        OF_A_CONFIG["beta"].check_stored(about.get("beta"))
    except ValueError as error:
        raise ValueError(f"{path} is damaged: {error}") from error
