"""A GPU that is not there: programs run on device "cuda" with shapes alone, under a law.

`FakeTensorMode` computes shapes, types and devices. `Law` looks at every operation: it counts where the CPU waits for
the GPU, and raises where tensors of two devices meet. Of a step that is to be a CUDA graph it asks more, see `Replays`.

Autograd wants a driver. So gradients are recorded on device "meta", and the graph is run on the GPU that is not there;
eager steps are taken on device "meta" as a whole, under the same law.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from types import FrameType
from typing import Any
from unittest import mock

import numpy as np
import pyro
import torch
from torch import Tensor, nn
from torch._subclasses import FakeTensorMode
from torch._subclasses.fake_tensor import DataDependentOutputException
from torch.fx import GraphModule
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_leaves, tree_map_only

from pyro_bvae.compiled import cuda_graph, gradient_step, recording, step
from pyro_bvae.compiled.places import places
from pyro_bvae.training import loop, minibatches

__all__ = ["DeviceError", "Law", "ReplayError", "gpu", "move"]

CUDA = torch.device("cuda", 0)
aten = torch.ops.aten
# what gives a value or a shape to the CPU; some only look at their arguments, and no fake tensor shows that
ITEM = aten._local_scalar_dense.default
READS = {
    ITEM, aten.equal.default, aten.nonzero.default, aten.masked_select.default,
    aten._unique2.default, aten.unique_dim.default, aten.unique_consecutive.default, aten.bincount.default,
    aten.repeat_interleave.Tensor, aten.multinomial.default, aten.normal.Tensor_Tensor, aten.normal.float_Tensor,
    aten._linalg_check_errors.default, aten.histc.default,
}  # fmt: skip
COPIES = {aten._to_copy.default, aten.copy_.default}
BY_INDEX = {aten.index.Tensor, aten.index_put.default, aten.index_put_.default}

HOMES = ("pyro_bvae.", "test_cuda_law")  # whose functions are named
NOUGHT = {"training.steps.ReplayedSteps.settle"}  # the number of the first step that is not finite: there is none
CHECKS = {"training.checks.check_programs", "training.checks.least_batch"}


class DeviceError(AssertionError):
    """Tensors of two devices meet."""


class ReplayError(AssertionError):
    """A step that a CUDA graph would not take: it waits, or it is another one at each call."""


class Law(TorchDispatchMode):
    """What programs do on a device, held to a law.

    Args:
        kind: The type of the device.
        value: The number that is read off it; a truth is true.

    Attributes:
        waits: How often the CPU waits for the device, by function of the package.
        replays: The step that runs as a CUDA graph would, if one does.
    """

    def __init__(self, kind: str = "cuda", value: float = 1.0) -> None:
        super().__init__()
        self.kind, self.value = kind, value
        self.waits: Counter[str] = Counter()
        self.replays: Replays | None = None

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Look at an operation, and let it happen."""
        kwargs = kwargs or {}
        given = _tensors((args, kwargs))
        here = [tensor for tensor in given if tensor.device.type == self.kind]
        if here and len(here) < len(given) and func not in COPIES:
            raise DeviceError(f"{func} of {', '.join(str(tensor.device) for tensor in given)} in {_place()}")
        if here and (func in READS or (func in BY_INDEX and any(each.dtype == torch.bool for each in given[1:]))):
            self._wait(func)
        try:
            result = self._number(given[0]) if here and func is ITEM else func(*args, **kwargs)
        except DataDependentOutputException:  # of a fake tensor on the CPU
            return self._number(given[0])
        made = _tensors(result)
        kinds = {tensor.device.type for tensor in (*given, *made)}
        if func in COPIES and self.kind in kinds and len(kinds) > 1:
            is_ahead = kwargs.get("non_blocking") or (func is aten.copy_.default and True in args[2:])
            if not is_ahead or self.replays is not None:
                self._wait(func)
        if self.replays is not None:
            self.replays.add(func, (args, kwargs), here, [each for each in made if each.device.type == self.kind])
        return result

    def _wait(self, func: Any) -> None:
        if self.replays is not None:
            raise ReplayError(f"{func} waits for the device in {_place()}")
        self.waits[_place()] += 1

    def _number(self, tensor: Tensor) -> float:
        if tensor.dtype == torch.bool or _place() in NOUGHT:
            return tensor.dtype == torch.bool
        return self.value if tensor.is_floating_point() else int(self.value)


class Replays:
    """What a CUDA graph asks of a step: at each call the same operations with the same numbers on the same memory.

    What it changes besides memory of its own has to be restored after the trial runs.

    Args:
        restored: The tensors that are.
    """

    def __init__(self, restored: Sequence[Tensor]) -> None:
        self._restored = {_memory(tensor) for tensor in restored}
        self._first: list[Any] | None = None
        self._calls: list[Any] = []
        self._own: set[int] = set()

    def begin(self) -> None:
        """Another call begins."""
        self._calls, self._own = [], set()

    def add(self, func: Any, arguments: Any, given: Sequence[Tensor], made: Sequence[Tensor]) -> None:
        """Look at an operation of a call.

        Raises:
            ReplayError: The first call had another one there, or the operation changes what is not restored.
        """
        if not given and not made:
            return
        outside = tuple(_memory(tensor) for tensor in given if _memory(tensor) not in self._own)
        numbers = repr([leaf for leaf in tree_leaves(arguments) if not isinstance(leaf, Tensor)])
        self._calls.append((str(func), numbers, outside))
        if self._first is not None and self._calls[-1] != self._first[len(self._calls) - 1]:
            raise ReplayError(f"{self._first[len(self._calls) - 1]} is {self._calls[-1]} when replayed, in {_place()}")
        positions = [place for place, each in enumerate(func._schema.arguments) if each.alias_info and each.is_write]
        for changed in _tensors([arguments[0][place] for place in positions if place < len(arguments[0])]):
            if _memory(changed) not in self._own | self._restored:
                raise ReplayError(f"{func} changes what no capture restores, in {_place()}")
        self._own |= {_memory(tensor) for tensor in made} - {_memory(tensor) for tensor in given}

    def end(self) -> None:
        """The call ends."""
        if self._first is not None and len(self._calls) != len(self._first):
            raise ReplayError(f"{len(self._calls)} operations, {len(self._first)} at first")
        self._first = self._calls


@contextmanager
def gpu(law: Law) -> Iterator[Law]:
    """Run what is inside on a GPU that is not there, under a law of device "cuda"."""

    def capture(body: Callable[[], None], changed: Sequence[Tensor], device: torch.device) -> Callable[[], None]:
        assert device == CUDA
        replays = Replays(changed)

        def call() -> None:
            replays.begin()
            with mock.patch.object(law, "replays", replays):
                body()
            replays.end()

        call()  # the capture; each further call is held to it
        return call

    with ExitStack() as stack:
        put = lambda home, **new: stack.enter_context(mock.patch.multiple(home, **new))  # noqa: E731
        put(torch.cuda, get_rng_state=lambda _: torch.get_rng_state(), set_rng_state=lambda *_: None)
        put(torch.cuda, manual_seed=lambda _: None, device=lambda _: nullcontext())
        put(torch, Generator=_NoGenerator)
        put(torch, _sample_dirichlet=lambda concentration, **_: torch.empty_like(concentration))
        put(Tensor, pin_memory=lambda tensor: tensor, numpy=_values)
        put(pyro.util, torch_isnan=lambda _: False)
        put(
            pyro.poutine.trace_struct,
            warn_if_nan=lambda value, *_, **__: value,
            warn_if_inf=lambda value, *_, **__: value,
        )
        put(minibatches, fits=lambda *_: True)
        put(loop, resolve_device=lambda _: CUDA, inductor=lambda graph, _: graph, note_seconds=lambda *_: None)
        put(gradient_step, aliases=lambda *_: None, copy_of=_on_meta)
        put(gradient_step.GradientStep, check_constants=lambda *_: None, _loss=_loss_on_meta)
        put(gradient_step.GradientStep, prepare=_prepared, evaluate=_evaluated)
        put(step, record=_recorded_on_meta)
        put(nn.Module, to=lambda module, *_: move(module))
        put(cuda_graph, capture=capture)
        stack.enter_context(FakeTensorMode(allow_non_fake_inputs=True))
        yield stack.enter_context(law)


def _values(tensor: Tensor, numpy: Any = Tensor.numpy) -> np.ndarray:
    """The values of a tensor that is there, and ones for those of a fake one."""
    if type(tensor) is not Tensor:
        return np.ones(tensor.shape)
    with _disable_current_modes():
        return numpy(tensor)


def move(module: nn.Module, device: torch.device | str = CUDA) -> nn.Module:
    """Put empty tensors of a device in the places of a module's own, where those are of another device."""
    for place in places(module):
        old = place.tensor
        if old.device == torch.device(device):
            continue
        new = torch.empty_strided(old.shape, old.stride(), dtype=old.dtype, device=device)
        place.hold(nn.Parameter(new, old.requires_grad) if isinstance(old, nn.Parameter) else new)
    return module


class _NoGenerator:
    """In place of a generator of the GPU: the default one."""

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.device = device

    def manual_seed(self, _: int) -> None:
        """There is nothing to seed."""


_loss, _prepare = gradient_step.GradientStep._loss, gradient_step.GradientStep.prepare
_evaluate = gradient_step.GradientStep.evaluate


def _loss_on_meta(self: gradient_step.GradientStep, data: Sequence[Tensor]) -> Any:
    with recording._without_host_reads():
        return _loss(self, [_on_meta(tensor) for tensor in data])


def _prepared(self: gradient_step.GradientStep, data: Sequence[Tensor]) -> None:
    with _disable_current_modes():
        _prepare(self, data)


def _evaluated(self: gradient_step.GradientStep, data: Sequence[Tensor]) -> Any:
    with _disable_current_modes():
        gradients, report = _evaluate(self, data)
    return tree_map_only(Tensor, lambda tensor: torch.empty_like(tensor, device=CUDA), (gradients, report))


def _recorded_on_meta(function: Callable[..., Any], inputs: Sequence[Tensor]) -> GraphModule:
    """The graph of a function, recorded on device "meta", for the GPU."""
    with _disable_current_modes():
        graph = recording.record(function, [_on_meta(tensor) for tensor in inputs])
    for node in graph.graph.nodes:
        if str(node.kwargs.get("device")) == "meta":
            node.kwargs = {**node.kwargs, "device": CUDA}
    graph.recompile()
    return graph


def _on_meta(tensor: Tensor) -> Tensor:
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="meta")


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def _memory(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata


def _place() -> str:
    """The function of the package that is running; the whole of the checks before a fit goes by their name."""
    frame: FrameType | None = sys._getframe(1)
    names = []
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module.startswith(HOMES):
            names.append(f"{module.removeprefix(HOMES[0])}.{frame.f_code.co_qualname.partition('.<locals>')[0]}")
        frame = frame.f_back
    return next((name for name in names if name in CHECKS), names[0] if names else "outside")
