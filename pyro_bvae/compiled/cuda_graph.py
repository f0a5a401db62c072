"""A compiled step, with all that belongs to it, replayed as a CUDA graph.

Launching a kernel takes longer than most kernels of a small network run. A CUDA graph launches all of them at once, on
fixed addresses: what differs from step to step (which data, learning rate, β) is copied into buffers before a replay,
and what a step gives (loss and terms) is added up on the device, to be read when somebody asks. Nothing waits for the
device in between. On other devices the same loop calls the step directly.

Source: https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from .places import Place
from .recording import undisturbed
from .step import CompiledStep

__all__ = ["ReplayedStep", "capture"]

WARM_UP = 3  # runs before a capture, in which libraries allocate and choose what they will use
WAITS = "called a synchronizing CUDA operation"  # what torch says in its mode that refuses to wait


class ReplayedStep:
    """Takes steps whose results stay on the device.

    Args:
        compiled_step: One that can be recorded.
        data: Maps the arguments of a call to the data of the step, on the device; part of the graph.
        after: Called with loss, report and size of the batch, to keep what is wanted of them; part of the graph.
        kept: The tensors that ``after`` changes, besides what the step itself changes.
    """

    def __init__(
        self,
        compiled_step: CompiledStep,
        data: Callable[..., tuple[Tensor, ...]],
        after: Callable[[Tensor, tuple[Tensor, ...], int], None],
        kept: Sequence[Tensor],
    ) -> None:
        self.compiled_step, self.data, self.after, self.kept = compiled_step, data, after, kept
        self._structure: tuple[bool, ...] | None = None
        self._replays: dict[Hashable, tuple[Callable[[], Any], list[Tensor]]] = {}
        self._fixed: list[tuple[Place, Tensor]] = []

    def __call__(self, *given: Tensor) -> None:
        """Take a step, without waiting for it."""
        gradient_step = self.compiled_step.gradient_step
        structure = gradient_step.structure()
        if structure != self._structure:  # something was frozen, or changed its mode
            self._structure = structure
            self._replays.clear()
        self._copy_assigned()
        key = (gradient_step.key, *[(tensor.shape, tensor.dtype) for tensor in given])
        if key not in self._replays:
            self._replays[key] = self._capture([tensor.clone() for tensor in given])
        replay, inputs = self._replays[key]
        for mine, theirs in zip(inputs, given, strict=True):
            mine.copy_(theirs, non_blocking=True)
        gradient_step.begin()
        replay()

    def _capture(self, inputs: list[Tensor]) -> tuple[Callable[[], Any], list[Tensor]]:
        gradient_step = self.compiled_step.gradient_step
        with undisturbed(gradient_step.device):
            data = self.data(*inputs)
        graph = self.compiled_step.graph_for(data)
        assert graph is not None
        self._fixed = [(place, place.tensor) for place in gradient_step.fixed]

        def body() -> None:
            data = self.data(*inputs)
            with torch.no_grad():
                loss, *report = graph(gradient_step.inputs(data))
                self.after(loss, tuple(report), len(data[0]))

        changed = [*gradient_step.inputs(()).leaves(), *self.kept]
        return capture(body, changed, gradient_step.device), inputs

    @torch.no_grad()
    def _copy_assigned(self) -> None:
        """Copy what was assigned anew, a β or an unused parameter for example, to the memory that the graph reads."""
        for place, tensor in self._fixed:
            if place.tensor is not tensor:
                tensor.copy_(place.tensor, non_blocking=True)
                place.hold(tensor)


@torch.no_grad()
def capture(body: Callable[[], None], changed: Sequence[Tensor], device: torch.device) -> Callable[[], Any]:
    """A function equal to ``body``: its CUDA graph on a GPU, elsewhere ``body`` itself.

    A body that waits for the GPU, as reading a tensor does, cannot be a graph: it is called as it is, with a warning.

    Args:
        body: Works on fixed tensors of the device, and gives nothing.
        changed: The tensors that it changes, parameters too; they are restored after the trial runs of a capture.
        device: Where.
    """
    if device.type != "cuda":
        return body
    before, state = [tensor.clone() for tensor in changed], torch.cuda.get_rng_state(device)
    with torch.cuda.device(device):
        graph = _graph_of(body)
    for tensor, value in zip(changed, before, strict=True):
        tensor.copy_(value)
    torch.cuda.set_rng_state(state, device)
    return body if graph is None else graph.replay


def _graph_of(body: Callable[[], None]) -> torch.cuda.CUDAGraph | None:
    """The CUDA graph of what was tried on the same stream before; None where the body waits for the GPU."""
    stream, current = torch.cuda.Stream(), torch.cuda.current_stream()
    stream.wait_stream(current)
    waits = None
    with torch.cuda.stream(stream):
        body()  # libraries set themselves up, and kernels are chosen, which may wait
        try:
            with _without_waiting():
                for _ in range(WARM_UP - 1):
                    body()
        except RuntimeError as error:
            if WAITS not in str(error):
                raise
            waits = error
    current.wait_stream(stream)
    if waits is not None:
        said = "the step reads from the GPU while it runs, and is not replayed as a CUDA graph"
        warnings.warn(said, RuntimeWarning, stacklevel=2)
        return None
    graph = torch.cuda.CUDAGraph()
    # registers the default generator, so that each replay draws what comes next; a thread may pin memory meanwhile
    with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
        body()
    return graph


@contextmanager
def _without_waiting() -> Iterator[None]:
    """Raise where the CPU waits for the GPU, which a capture does not survive."""
    before = torch.cuda.get_sync_debug_mode()
    with warnings.catch_warnings(action="ignore"):  # of a prototype
        torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode(before)
