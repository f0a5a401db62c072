"""A step of stochastic variational inference as one graph: loss, gradients and the optimiser's update.

    loss(data; w, buffers),    g = ∂loss/∂w,    w, state ← update(w, g, state; learning rate)

Any Pyro model and guide of static structure are recorded once (`recording`), their matrix products sent where they are
fast (`matmul`), and what is left is compiled by inductor. Parameters, buffers and the optimiser's state are changed
in place, so that a checkpoint is the same whichever way a step was taken. Learning rate, buffers and data are inputs of
the graph: a schedule of any of them never compiles again. A step whose loss is not finite leaves parameters and state
as they were.

>>> from pyro.infer import Trace_ELBO
>>> import pyro, pyro.distributions as dist
>>> class Line(torch.nn.Module):  # y = slope · x + noise, with a normal posterior of the slope
...     def __init__(self):
...         super().__init__()
...         self.loc = torch.nn.Parameter(torch.tensor(0.0))
...         self.log_scale = torch.nn.Parameter(torch.tensor(-2.0))
...     def model(self, x, y):
...         slope = pyro.sample("slope", dist.Normal(0.0, 10.0))
...         with pyro.plate("data", len(x)):
...             pyro.sample("y", dist.Normal(slope * x, 0.1), obs=y)
...     def guide(self, x, y):
...         pyro.module("line", self)
...         pyro.sample("slope", dist.Normal(self.loc, self.log_scale.exp()))
>>> line = Line()
>>> adam = torch.optim.Adam(line.parameters(), lr=0.05)
>>> step = CompiledStep(line.model, line.guide, Trace_ELBO(), line, adam, compiler=None)  # leave out compiler=None
>>> x = torch.linspace(-1, 1, 20)
>>> for _ in range(300):
...     loss, _ = step(x, 3 * x)
>>> round(line.loc.item(), 1)
3.0
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import pyro
import torch
from torch import Tensor, nn
from torch.fx import GraphModule
from torch.utils._pytree import tree_flatten, tree_map, tree_unflatten

from ..settings.names import PRECISIONS, check
from .gradient_step import Exchange, GradientStep, Inputs, Objective, Report, UnrecordableError
from .matmul import Products
from .memory import keep_freed_memory
from .places import copy_of
from .recording import constants_of, record, undisturbed

__all__ = ["CompiledStep", "Compiler", "inductor"]

Compiler = Callable[[GraphModule, Sequence[Tensor]], Callable[..., Any]]
MOST_SHAPES = 8  # of data, each of which costs a recording


def inductor(graph: GraphModule, inputs: Sequence[Tensor]) -> Callable[..., Any]:
    """Compile a graph to kernels of this machine. They draw the random numbers that eager operations draw.

    Nothing that may change a last digit is chosen by timing.

    Kernels come from inductor's cache where they are there; one that a kill has cut short is made anew.

    Args:
        graph: Of tensor operations.
        inputs: Example inputs.

    Raises:
        RuntimeError: There is no compiler, or it failed.
    """
    from torch import _inductor
    from torch._guards import TracingContext, tracing
    from torch._subclasses import FakeTensorMode
    from torch.fx.experimental.symbolic_shapes import ShapeEnv

    from .duplicates import MergeDuplicates

    # deterministic: how a sum is cut up on a GPU, for example, may depend on its sizes, and not on which way is faster
    options = {"fallback_random": True, "deterministic": True, "joint_custom_pre_pass": MergeDuplicates()}

    def compiled() -> Callable[..., Any]:
        return _inductor.compile(graph, list(inputs), options=options)  # type: ignore[no-untyped-call]

    fake = FakeTensorMode(allow_non_fake_inputs=True, shape_env=ShapeEnv())  # without shapes, nothing is cached
    with _quietly(), torch.no_grad(), tracing(TracingContext(fake)):
        try:
            return compiled()
        except Exception as error:  # whatever a damaged library makes the loader raise
            if not _remove_damaged(str(error)):
                raise
            return compiled()


def _remove_damaged(message: str) -> bool:
    """Remove the modules of inductor's cache that a message names; whether there are any."""
    from torch._inductor.runtime.cache_dir_utils import cache_dir

    named = {Path(word.rstrip(":,")) for word in message.split() if word.rstrip(":,").endswith((".so", ".py"))}
    damaged = [path for path in named if path.is_relative_to(cache_dir()) and path.is_file()]
    for path in damaged:
        path.unlink()
    return bool(damaged)


class CompiledStep:
    """Takes gradient steps on what it is called with.

    The first batch fixes a shape, for which the step is compiled; batches of other shapes, such as the last short one
    of an epoch, run the recorded graph as it is. Where a step cannot be recorded it runs as Pyro would run it, and
    where it cannot be compiled as it was recorded; a warning says so once, and ``reason`` why.

    Args:
        model: A Pyro program whose structure does not depend on its data.
        guide: Its guide.
        elbo: What is minimised: any ELBO of Pyro with ``differentiable_loss``.
        module: Holds all parameters that the programs use. Its buffers are read at each step: what a schedule moves is
            a buffer, or an argument.
        optimizer: `torch.optim`'s RMSprop, Adam, Adagrad or SGD on them; its learning rate is read at each step.
        report: Maps loss and the traces of model and guide to tensors that are returned beside the loss.
        weight_decay: λ, at least 0: parameters are multiplied by 1 − lr·λ before each update.
        precision: "fp32", or "bf16" for matrix products of bfloat16 operands.
        compiler: Maps graph and example inputs to a callable; None runs the recorded graph.
        exchange: With other processes that take the step together, between gradients and update.

    Attributes:
        gradient_step: The step as a function of tensors.
        reason: Why steps are not compiled although a compiler was given, or None.
        was_compiled: Whether the compiler was called and did not fail.
        seconds: What recording and compiling took.

    Raises:
        ValueError: The optimiser is of another kind or has options beyond those of `updates`, or the precision is
            unknown.
    """

    def __init__(
        self,
        model: Callable[..., Any],
        guide: Callable[..., Any],
        elbo: Objective,
        module: nn.Module,
        optimizer: torch.optim.Optimizer,
        *,
        report: Report | None = None,
        weight_decay: float = 0.0,
        precision: str = "fp32",
        compiler: Compiler | None = inductor,
        exchange: Exchange | None = None,
    ) -> None:
        keep_freed_memory()
        self.gradient_step = GradientStep(model, guide, elbo, module, optimizer, report, weight_decay, exchange)
        self.precision = check("precision", precision, PRECISIONS)
        self.compiler = compiler
        self.reason: str | None = None
        self.was_compiled = False
        self.seconds = 0.0
        self._can_record = True
        self._structure: tuple[bool, ...] | None = None
        self._graphs: dict[Any, Callable[[Inputs], Sequence[Tensor]]] = {}

    def __call__(self, *data: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Take one step.

        Args:
            data: The arguments of model and guide.

        Returns:
            The loss, a scalar, and the report; empty where none was asked for.
        """
        graph = self.graph_for(data)
        if graph is None:
            with pyro.get_param_store().scope():
                return self.gradient_step.take(data)
        self.gradient_step.begin()
        with torch.no_grad():
            loss, *report = graph(self.gradient_step.inputs(data))
        return loss, tuple(report)

    def graph_for(self, data: Sequence[Tensor]) -> Callable[[Inputs], Sequence[Tensor]] | None:
        """The function that takes a step on data of these shapes, made at first use; None if only Pyro itself can.

        It is a function of what ``gradient_step.inputs(data)`` gives, and returns the loss and the report.
        """
        structure = self.gradient_step.structure()
        if structure != self._structure and self._can_record:
            self._prepare(structure, data)
        if structure != self._structure:
            return None
        shapes = [(tensor.shape, tensor.stride(), tensor.dtype) for tensor in data]
        key = (structure, self.gradient_step.key, *shapes)
        if key not in self._graphs and self._can_record and len(self._graphs) < MOST_SHAPES:
            start = perf_counter()
            self._make(key, data)
            self.seconds += perf_counter() - start
        return self._graphs.get(key)

    def compare(self, data: Sequence[Tensor], repeats: int = 3) -> tuple[float, float] | None:
        """How long a step takes here, and how long its gradients take Pyro: the best of a few, in seconds.

        Nothing is changed.

        Args:
            data: The arguments of model and guide.
            repeats: How often each is timed.

        Returns:
            Both times; None where the step cannot be recorded.
        """
        graph = self.graph_for(data)
        if graph is None:
            return None
        inputs = tree_map(copy_of, self.gradient_step.inputs(data))
        times = []
        with undisturbed(self.gradient_step.device), torch.no_grad():
            for _ in range(repeats):
                start = perf_counter()
                graph(inputs)
                between = perf_counter()
                self.gradient_step.evaluate(data)
                times.append((between - start, perf_counter() - between))
        ours, theirs = zip(*times, strict=True)
        return min(ours), min(theirs)

    def _prepare(self, structure: tuple[bool, ...], data: Sequence[Tensor]) -> None:
        """Look at the programs where they have another structure than at the last step, the first one included."""
        try:
            self.gradient_step.prepare(data)
            self._structure = structure
        except UnrecordableError as error:
            self._cannot_record(error)

    def _make(self, key: Any, data: Sequence[Tensor]) -> None:
        is_first = all(structure != self._structure for structure, *_ in self._graphs)
        inputs, form = tree_flatten(self.gradient_step.inputs(data))
        try:
            recorded = record(lambda *flat: self._routed(tree_unflatten(flat, form)), inputs)
            self.gradient_step.check_constants(constants_of(recorded))
        except Exception as error:  # programs that cannot be recorded may raise anything
            self._cannot_record(error)
            return
        graph: Callable[..., Any] = recorded
        if is_first and self.compiler is not None:
            try:
                graph = self.compiler(recorded, inputs)
                self.was_compiled = True
            except Exception as error:  # there is no compiler, or it fails in some way
                self._fall_back(f"the step cannot be compiled: {_first_line(error)}")
        self._graphs[key] = lambda inputs: graph(*inputs.leaves())

    def _routed(self, inputs: Inputs) -> tuple[Tensor, ...]:
        with Products(self.precision):
            return self.gradient_step.function(inputs)

    def _cannot_record(self, error: Exception) -> None:
        self._can_record = False
        self._fall_back(
            f"the step cannot be recorded: {error if isinstance(error, UnrecordableError) else _first_line(error)}"
        )

    def _fall_back(self, reason: str) -> None:
        self.reason = reason
        if not self._can_record and self.precision != "fp32":
            raise ValueError(f"{self.precision} wants programs that can be recorded; {reason}")
        warnings.warn(f"{reason}; going on without", RuntimeWarning, stacklevel=5)


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]}"


@contextmanager
def _quietly() -> Iterator[None]:
    """Silence the compilers' remarks on missing GPUs, damaged caches and themselves."""
    loggers = [logging.getLogger(name) for name in ("torch.utils.cpp_extension", "torch._inductor.codecache")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
