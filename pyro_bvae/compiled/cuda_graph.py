"""A compiled step, with all that belongs to it, replayed as a CUDA graph.

Launching a kernel takes longer than most kernels of a small network run. A CUDA graph launches all of them at once, on
fixed addresses: what differs from step to step (which data, learning rate, β) is copied into buffers before a replay,
and what a step gives (loss and terms) is added up on the device, to be read when somebody asks. Nothing waits for the
device in between. On other devices the same loop calls the step directly.

Source: https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from .recording import undisturbed
from .step import CompiledStep

__all__ = ["ReplayedStep", "capture"]

WARM_UP = 3  # runs before a capture, in which libraries allocate and choose what they will use


class ReplayedStep:
    """Takes steps whose results stay on the device.

    Args:
        compiled_step: One that can be recorded.
        data: Maps the arguments of a call to the data of the step, on the device; part of the graph.
        after: Called with loss, report and size of the batch, to keep what is wanted of them; part of the graph.
        kept: The tensors that ``after`` changes, besides buffers of the module.
    """

    def __init__(
        self,
        compiled_step: CompiledStep,
        data: Callable[..., tuple[Tensor, ...]],
        after: Callable[[Tensor, tuple[Tensor, ...], int], None],
        kept: Sequence[Tensor],
    ) -> None:
        self.compiled_step, self.data, self.after, self.kept = compiled_step, data, after, kept
        self._replays: dict[Any, tuple[Callable[[], Any], list[Tensor]]] = {}
        self._buffers: list[Tensor] | None = None

    def __call__(self, *given: Tensor) -> None:
        """Take a step, without waiting for it."""
        key = (self.compiled_step.gradient_step.key, *[(tensor.shape, tensor.dtype) for tensor in given])
        if self._buffers is not None:
            self._copy_buffers()
        if key not in self._replays:
            self._replays[key] = self._capture([tensor.clone() for tensor in given])
        replay, inputs = self._replays[key]
        for mine, theirs in zip(inputs, given, strict=True):
            mine.copy_(theirs, non_blocking=True)
        self.compiled_step.gradient_step.begin()
        replay()

    def _capture(self, inputs: list[Tensor]) -> tuple[Callable[[], Any], list[Tensor]]:
        gradient_step = self.compiled_step.gradient_step
        with undisturbed(gradient_step.device):
            data = self.data(*inputs)
        graph = self.compiled_step.graph_for(data)
        assert graph is not None
        if self._buffers is None:
            self._buffers = [place.tensor for place in gradient_step.fixed]

        def body() -> None:
            data = self.data(*inputs)
            with torch.no_grad():
                loss, *report = graph(gradient_step.inputs(data))
                self.after(loss, tuple(report), len(data[0]))

        changed = [*gradient_step.inputs(()).leaves(), *self.kept]
        return capture(body, changed, gradient_step.device), inputs

    def _copy_buffers(self) -> None:
        """Copy buffers that were assigned anew, a β for example, to the memory that the graph reads."""
        assert self._buffers is not None
        for place, tensor in zip(self.compiled_step.gradient_step.fixed, self._buffers, strict=True):
            if place.tensor is not tensor:
                tensor.copy_(place.tensor, non_blocking=True)
                place.hold(tensor)


def capture(body: Callable[[], None], changed: Sequence[Tensor], device: torch.device) -> Callable[[], Any]:
    """A function equal to ``body``: its CUDA graph on a GPU, elsewhere ``body`` itself.

    Args:
        body: Works on fixed tensors of the device, and gives nothing.
        changed: The tensors that it changes; they are restored after the trial runs that a capture takes.
        device: Where.
    """
    if device.type != "cuda":
        return body
    before, state = [tensor.clone() for tensor in changed], torch.cuda.get_rng_state(device)
    stream, current = torch.cuda.Stream(device), torch.cuda.current_stream(device)
    stream.wait_stream(current)
    with torch.cuda.stream(stream):
        for _ in range(WARM_UP):
            body()
    current.wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):  # registers the default generator: each replay draws what comes next
        body()
    for tensor, value in zip(changed, before, strict=True):
        tensor.copy_(value)
    torch.cuda.set_rng_state(state, device)
    return graph.replay
