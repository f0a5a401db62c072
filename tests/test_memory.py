"""Freed memory is kept for the next tensor."""

import platform
from resource import RUSAGE_SELF, getrusage

import pytest
import torch

from pyro_bvae.compiled.memory import keep_freed_memory


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries are left as they are")
def test_tensors_of_a_batch_take_the_pages_that_those_of_the_last_one_left() -> None:
    keep_freed_memory()
    pages = 4 * 4096  # of 4 tensors of 16 MiB
    before = getrusage(RUSAGE_SELF).ru_minflt
    for _ in range(20):
        tensors = [torch.ones(2**22) for _ in range(4)]
        del tensors
    assert getrusage(RUSAGE_SELF).ru_minflt - before < 5 * pages
