"""Encoder and decoder as graphs of torch's operations, which `torch.export` reads off one call of them.

What the call decides in Python is decided for good. A module whose steps depend on the values of its input has no such
graph, and is refused with the reason.
"""

from __future__ import annotations

import io
import logging
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass

import pyro
import torch
from torch import Tensor
from torch.export import Dim, ExportedProgram

from ..runs.run import Run
from ..settings.words import one_line
from ..terms import has_own
from .description import BATCH, shapes_of
from .inputs import EXAMPLES, conditions_of, decoded
from .parts import Decoder, Encoder

__all__ = ["Graph", "graphs", "quiet", "reason"]

LOGGERS = ("torch.onnx", "torch._dynamo", "torch.fx", "torch.export", "onnxscript", "onnx_ir")


@dataclass(frozen=True)
class Graph:
    """An encoder or decoder.

    Attributes:
        program: The graph, for batches of any size.
        inputs: The shapes of its inputs, by name, in their order.
        outputs: The shapes of its outputs, by name, in their order.
    """

    program: ExportedProgram
    inputs: dict[str, list[int | str]]
    outputs: dict[str, list[int | str]]


def graphs(run: Run) -> dict[str, Graph]:
    """The encoder and the decoder of a model.

    Args:
        run: Whose model it is, on any device.

    Returns:
        Both by name, "encoder" and "decoder".

    Raises:
        ValueError: One of them has no graph; the message says which, and why.
    """
    vae, conditions = run.model, conditions_of(run)
    latents, x = decoded(vae, conditions), vae.beta.new_zeros(EXAMPLES, *vae.shape)
    return {
        "encoder": _graph(Encoder(vae, conditions), "encoder", [x, *conditions.values()]),
        "decoder": _graph(Decoder(vae, latents, conditions), "decoder", [*latents.values(), *conditions.values()]),
    }


@contextmanager
def quiet() -> Iterator[None]:
    """Without gradients, checks of values, and what the tools of torch write of their own progress."""
    loggers = {name: logging.getLogger(name) for name in LOGGERS}
    levels = {name: logger.level for name, logger in loggers.items()}
    silent = io.StringIO()
    with (
        torch.no_grad(),
        pyro.validation_enabled(False),
        pyro.get_param_store().scope(),
        warnings.catch_warnings(action="ignore"),
        redirect_stdout(silent),
        redirect_stderr(silent),
    ):
        for logger in loggers.values():
            logger.setLevel(logging.CRITICAL)
        try:
            yield
        finally:
            for name, logger in loggers.items():
                logger.setLevel(levels[name])


def reason(error: BaseException) -> str:
    """Why torch does not export a module, in a line."""
    said = f"{type(error).__name__}: {error}"
    if "data-dependent" in said.lower() or "DataDependent" in said:
        return "its steps depend on values of its input (data-dependent control flow): write torch.where in place of if"
    if "Constraint" in said or "specialized" in said:
        return (
            "it takes batches of some sizes alone: write x.shape[0] in place of len(x) or a number, and decide nothing "
            "by it"
        )
    while error.__cause__ is not None:  # what torch wraps in advice on its own use
        error = error.__cause__
    operation = re.search(r"No ONNX function found for .*?(aten\.\w+)", str(error))
    if operation is not None:
        return f"ONNX has no operation like {operation[1]}: write a .pt2"
    return one_line(next((line for line in str(error).splitlines() if line.strip()), type(error).__name__))


def _graph(module: Encoder | Decoder, part: str, examples: Sequence[Tensor]) -> Graph:
    values = tuple(example.cpu() for example in examples)
    try:
        with quiet():
            outputs = module.named(*values)
            shapes = (tuple({0: Dim(BATCH)} for _ in values),)
            program = torch.export.export(module, values, dynamic_shapes=shapes)
    except Exception as error:  # whatever a module of one's own makes torch raise
        raise ValueError(f"the {part}, {_kind(module, part)}, cannot be exported: {reason(error)}") from error
    _forget_origins(program)
    _forget_unused(program)
    return Graph(program, shapes_of(dict(zip(module.inputs, values, strict=True))), shapes_of(outputs))


def _kind(module: Encoder | Decoder, part: str) -> str:
    """What a part is read off: the class of a network, or a program of one's own."""
    program = {"encoder": "guide", "decoder": "model"}[part]
    if has_own(module.vae, program):
        return f"a {type(getattr(module.vae, part)).__name__}"
    return f"read off the {program} of {type(module.vae).__name__}"


def _forget_origins(program: ExportedProgram) -> None:
    """Keep of each operation what it computes alone, and not where on this machine it was written."""
    for module in program.graph_module.modules():
        for node in module.graph.nodes if isinstance(module, torch.fx.GraphModule) else ():
            node.meta = {name: value for name, value in node.meta.items() if name == "val"}


def _forget_unused(program: ExportedProgram) -> None:
    """Take out the weights that no operation needs: those of the other part."""
    nodes = {node.name: node for node in program.graph.nodes if node.op == "placeholder"}
    for spec in [*program.graph_signature.input_specs]:
        if spec.target is not None and not nodes[spec.arg.name].users:
            program.graph.erase_node(nodes[spec.arg.name])
            program.graph_signature.input_specs.remove(spec)
            program.state_dict.pop(spec.target, None)
            program.constants.pop(spec.target, None)
    program.graph_module.recompile()
