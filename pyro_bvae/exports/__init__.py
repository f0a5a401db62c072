"""A fitted model as files that other programs read, one format a module.

zip            the run in one file, which every command takes in a run's place
onnx           encoder and decoder for onnxruntime and its kin
pt2            the same as programs of `torch.export`
safetensors    the weights, with what it takes to build the model again
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..datasets import Dataset
from ..runs.programs import Given
from ..runs.run import Run, load_run
from ..settings.names import EXPORTS, check
from . import onnx, pt2, run_file, safetensors

__all__ = ["FORMATS", "export"]

FORMATS: Mapping[str, Callable[[Run, Path], list[Path]]] = {
    "zip": run_file.write,
    "onnx": onnx.write,
    "pt2": pt2.write,
    "safetensors": safetensors.write,
}


def export(
    run: Run | str | os.PathLike[str],
    to: str | os.PathLike[str],
    *,
    at: int | None = None,
    dataset: str | Dataset | None = None,
    data_root: str | os.PathLike[str] | None = None,
    program: Given = None,
    changed_program: bool = False,
) -> list[Path]:
    """Write a model as files that other programs read, or as one file that stands for its run.

    Of ``model.onnx`` there are two files, model-encoder.onnx and model-decoder.onnx, and likewise of ``model.pt2``.
    Both take batches of any size. The encoder gives the parameters of q(z | x), the decoder those of p(x | z) and its
    mean.

        export("runs/digits-beta6-seed0", "digits.onnx")

    Args:
        run: A run, or its folder or file. One on disk is written as a zip without being built, so that it may have
            classes of your own.
        to: The file, whose ending names the format: .zip, .onnx, .pt2 or .safetensors.
        at: A step that has a numbered checkpoint, in place of the latest; of a run on disk.
        dataset: The data of the run, if they lie elsewhere now, see `load_run`; they are read for the conditions that
            its programs take.
        data_root: Likewise.
        program: The file of its programs, where it is one and the format needs the model built, see `load_run`.
        changed_program: Whether that file may be another than the run's.

    Returns:
        The files.

    Raises:
        FileNotFoundError: There is no run, or no such checkpoint.
        ValueError: The ending is none of these; a run cannot be loaded, or its model cannot be exported: the message
            says which part, and why.
        MissingPackageError: The format needs a package that is not installed.
        WriteError: A file cannot be written.
    """
    path = Path(to)
    name = check("format", path.suffix[1:].lower(), EXPORTS)
    if isinstance(run, Run):
        if at is not None:
            raise ValueError("`at` is for a run on disk: load that step with load_run(path, at=...)")
        return FORMATS[name](run, path)
    if name == "zip":
        return run_file.write_stored(Path(run), path, at)
    place: dict[str, Any] = {"dataset": dataset, "data_root": data_root}
    return FORMATS[name](load_run(run, at=at, program=program, changed_program=changed_program, **place), path)
