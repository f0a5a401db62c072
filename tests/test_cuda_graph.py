"""How a CUDA graph is captured, with a stand-in for torch.cuda: what is tried, refused and restored."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor

from pyro_bvae.compiled import cuda_graph

GPU = torch.device("cuda", 0)


class Cuda:
    """The part of torch.cuda that a capture takes, on the CPU; it notes what happens."""

    def __init__(self) -> None:
        self.mode: int | str = 0
        self.events: list[str] = []
        self.options: dict[str, Any] = {}

    def Stream(self) -> Cuda:  # noqa: N802
        return self

    def current_stream(self) -> Cuda:
        return self

    def wait_stream(self, _: Any) -> None:
        self.events.append("wait")

    def CUDAGraph(self) -> Cuda:  # noqa: N802
        return self

    def replay(self) -> None:
        self.events.append("replay")

    @contextmanager
    def graph(self, _: Any, **options: Any) -> Iterator[None]:
        self.options = options
        self.events.append("capture")
        yield

    def get_sync_debug_mode(self) -> int | str:
        return self.mode

    def set_sync_debug_mode(self, mode: int | str) -> None:
        self.mode = mode


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> Cuda:
    cuda = Cuda()
    for name in ("Stream", "current_stream", "CUDAGraph", "graph", "get_sync_debug_mode", "set_sync_debug_mode"):
        monkeypatch.setattr(torch.cuda, name, getattr(cuda, name))
    monkeypatch.setattr(torch.cuda, "stream", lambda _: nullcontext())
    monkeypatch.setattr(torch.cuda, "device", lambda _: nullcontext())
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda _: torch.get_rng_state())
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda state, _: torch.set_rng_state(state))
    return cuda


def body_of(cuda: Cuda, number: Tensor, waits: bool = False) -> Callable[[], None]:
    def body() -> None:
        if waits and cuda.mode == "error":
            raise RuntimeError("called a synchronizing CUDA operation")
        cuda.events.append(f"body {cuda.mode}")
        number.add_(torch.rand(()) + 1)

    return body


def test_a_capture_tries_the_body_and_restores_what_it_changes(cuda: Cuda) -> None:
    number, state = torch.zeros(()), torch.get_rng_state()
    replay = cuda_graph.capture(body_of(cuda, number), [number], GPU)
    assert cuda.events == ["wait", "body 0", "body error", "body error", "wait", "capture", "body 0"]
    assert (number, cuda.mode) == (0, 0)
    assert torch.equal(torch.get_rng_state(), state)
    assert cuda.options == {"capture_error_mode": "thread_local", "stream": cuda}
    replay()
    assert cuda.events[-1] == "replay"


def test_a_body_that_waits_is_called_as_it_is(cuda: Cuda) -> None:
    number, state = torch.zeros(()), torch.get_rng_state()
    body = body_of(cuda, number, waits=True)
    with pytest.warns(RuntimeWarning, match="reads from the GPU while it runs, and is not replayed as a CUDA graph"):
        assert cuda_graph.capture(body, [number], GPU) is body
    assert (number, cuda.mode) == (0, 0)
    assert torch.equal(torch.get_rng_state(), state)
    assert "capture" not in cuda.events


def test_another_error_of_a_body_is_raised(cuda: Cuda) -> None:
    def body() -> None:
        if cuda.mode == "error":
            raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        cuda_graph.capture(body, [], GPU)
    assert cuda.mode == 0
