"""A set that is larger than memory may be is read without being held: the peak of a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from published_files import write_mpi3d, write_shapes3d

MEASURE = """
import json, resource, sys
from pyro_bvae import datasets
from pyro_bvae.datasets import {module}
{module}.FACTOR_SIZES = {sizes}
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
data = datasets.load("{name}", "{root}", subsample={subsample})
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps([len(data), data.size_in_bytes, 1024 * (after - before)]))
"""
COUNT = 40_000  # images, 490 MB


def peak(name: str, root: Path, module: str, sizes: object, subsample: int | None) -> tuple[int, int, int]:
    """How many images were loaded, their bytes, and by how many bytes the peak of memory rose."""
    script = MEASURE.format(name=name, root=root, module=module, sizes=sizes, subsample=subsample)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    count, size, rise = json.loads(done.stdout)
    return count, size, rise


@pytest.mark.slow
@pytest.mark.parametrize("subsample", [None, 20_000])
def test_an_npz_is_streamed(subsample: int | None, tmp_path: Path) -> None:
    sizes = (5, 2, 2, 2, 1, 100, 10)
    write_mpi3d(tmp_path / "a.npz", sizes, packed=True, images=np.zeros((COUNT, 64, 64, 3), np.uint8))
    count, size, rise = peak(f"mpi3d:{tmp_path / 'a.npz'}", tmp_path, "mpi3d", (sizes, sizes), subsample)
    assert count == (subsample or COUNT)
    assert rise < 200e6 < size


@pytest.mark.slow
@pytest.mark.parametrize("subsample", [None, 20_000])
def test_an_hdf5_is_read_in_slices(subsample: int | None, tmp_path: Path) -> None:
    """In the chunks that h5py would choose for the whole: what lies in the same ones is held, 184 MB."""
    sizes = (5, 2, 2, 2, 100, 10)
    zeros = np.zeros((COUNT, 64, 64, 3), np.uint8)
    write_shapes3d(tmp_path / "a.h5", sizes, together=(15_000, 4, 4, 1), images=zeros)
    count, _, rise = peak(f"shapes3d:{tmp_path / 'a.h5'}", tmp_path, "shapes3d", sizes, subsample)
    assert count == (subsample or COUNT)
    assert rise < 184e6 + 150e6
