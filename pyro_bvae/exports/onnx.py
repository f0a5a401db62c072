"""ONNX: encoder and decoder for onnxruntime, and for what reads that format elsewhere.

Source: https://onnx.ai/onnx/intro/concepts.html
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from ..files import atomic_write, wanted
from ..runs.run import Run
from .description import BATCH, described
from .graphs import Graph, graphs, quiet, reason

__all__ = ["OPSET", "write"]

OPSET = 18  # the one that torch's own functions are written in, so that nothing is converted
MOST_BYTES = 2**31  # of one file


def write(run: Run, path: Path) -> list[Path]:
    """Write the encoder and the decoder.

    Args:
        run: Whose model it is.
        path: The name, such as model.onnx: the files are model-encoder.onnx and model-decoder.onnx.

    Returns:
        The files.

    Raises:
        ValueError: A part cannot be exported.
        MissingPackageError: onnx or onnxscript is not installed.
    """
    for package in ("onnx", "onnxscript"):
        wanted(package, "ONNX", "export")
    facts = described(run)
    contents = {part: _content(graph, part, {**facts, "part": part}) for part, graph in graphs(run).items()}
    files = []
    for part, content in contents.items():
        files.append(path.with_name(f"{path.stem}-{part}{path.suffix}"))
        with atomic_write(files[-1]) as partial:
            partial.write_bytes(content)
    return files


def _content(graph: Graph, part: str, facts: dict[str, Any]) -> bytes:
    """The bytes of a file.

    Raises:
        ValueError: An operation has no counterpart in ONNX, or the file would be too large.
    """
    helper = wanted("onnx.helper", "ONNX", "export")
    try:
        with quiet():
            made: Any = torch.onnx.export(
                graph.program,
                dynamo=True,
                verbose=False,
                opset_version=OPSET,
                input_names=[*graph.inputs],
                output_names=[*graph.outputs],
                dynamic_shapes=(tuple({0: BATCH} for _ in graph.inputs),),
            )
            model = made.model_proto
    except Exception as error:  # what torch's exporter raises, of many kinds
        raise ValueError(f"the {part} cannot be written as ONNX: {reason(error)}") from error
    _forget_origins(model)
    facts = {**facts, "inputs": graph.inputs, "outputs": graph.outputs}
    helper.set_model_props(model, {name: _said(value) for name, value in facts.items() if value is not None})
    if model.ByteSize() >= MOST_BYTES:
        raise ValueError(f"the {part} takes {model.ByteSize() / 1e9:.1f} GB, and an ONNX file at most 2: write a .pt2")
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _said(value: Any) -> str:
    """A value of the metadata, all of which are texts: what is none is JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _forget_origins(model: Any) -> None:
    """Take out what torch's exporter notes of the Python behind each operation: paths, names of classes, shapes."""
    graph = model.graph
    for thing in (graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        thing.ClearField("metadata_props")
        thing.ClearField("doc_string")
    graph.ClearField("value_info")
