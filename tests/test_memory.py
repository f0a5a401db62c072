"""Freed memory is kept for the next tensor, and nothing that stays comes to lie in it."""

import gc
import platform
from collections.abc import Callable
from importlib import import_module
from resource import RUSAGE_SELF, getrusage
from typing import Any

import pytest
import torch
from conftest import new_vae
from peaks import printed

from pyro_bvae import evaluate
from pyro_bvae.codes import encode, encode_sites
from pyro_bvae.compiled.memory import keep_freed_memory
from pyro_bvae.datasets import Dataset, rows_of
from pyro_bvae.evaluation.importance import bound_and_error
from pyro_bvae.model import BetaVAE
from pyro_bvae.terms import mean_terms


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries are left as they are")
def test_tensors_of_a_batch_take_the_pages_that_those_of_the_last_one_left() -> None:
    keep_freed_memory()
    pages = 4 * 4096  # of 4 tensors of 16 MiB
    before = getrusage(RUSAGE_SELF).ru_minflt
    for _ in range(20):
        tensors = [torch.ones(2**22) for _ in range(4)]
        del tensors
    assert getrusage(RUSAGE_SELF).ru_minflt - before < 5 * pages


def bound(vae: BetaVAE, data: torch.Tensor, **options: Any) -> None:
    bound_and_error(vae, rows_of(data), 2, seed=0, **options)


@pytest.mark.parametrize("values", [0, 10**8])
@pytest.mark.parametrize("work", [encode, encode_sites, mean_terms, evaluate, bound])
def test_no_tensor_outlives_its_batch(
    work: Callable[..., object], values: int, images: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a graph and without one; glibc cannot put memory between tensors that stay to use again."""
    monkeypatch.setattr(import_module("pyro_bvae.terms.batches"), "FEWEST_VALUES", values)
    alive: dict[str, list[int]] = {}

    def look(what: str, *_: int) -> None:
        gc.collect()
        alive.setdefault(what, []).append(sum(issubclass(type(each), torch.Tensor) for each in gc.get_objects()))

    work(new_vae(), images.images, batch_size=5, progress=look)
    for counts in alive.values():
        assert len(counts) >= 12
        assert max(counts[3:]) <= counts[2]


GROWTH = """
import torch
from pyro_bvae import BetaVAE
from pyro_bvae.codes import encode

x = torch.randint(0, 2, (4096, 1, 64, 64), dtype=torch.uint8).repeat(24, 1, 1, 1)
peaks = []
encode(BetaVAE((1, 64, 64), 10, network="locatello"), x, progress=lambda *_: peaks.append(peak()))
print(peaks[-1] - peaks[len(peaks) // 10])
"""


@pytest.mark.slow
def test_encoding_more_data_takes_no_more_memory() -> None:
    """In a process of its own, whose heap nobody else has cut up."""
    assert printed(GROWTH) < 100e6
