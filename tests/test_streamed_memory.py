"""A set that is larger than memory may be is read without being held: the peak of a process of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from peaks import printed
from published_files import write_cars3d, write_mpi3d, write_shapes3d, write_smallnorb

MEASURE = """
from pyro_bvae import datasets
from pyro_bvae.datasets import {module}
{module}.FACTOR_SIZES = {sizes}
before = peak()
data = datasets.load("{name}", "{root}", subsample={subsample})
print(json.dumps([len(data), data.size_in_bytes, peak() - before]))
"""
COUNT = 40_000  # images, 490 MB


def loaded(name: str, root: Path, module: str, sizes: object, subsample: int | None = None) -> tuple[int, int, int]:
    """How many images were loaded, their bytes, and by how many bytes the peak of memory rose."""
    count, size, rise = printed(MEASURE.format(name=name, root=root, module=module, sizes=sizes, subsample=subsample))
    return count, size, rise


@pytest.mark.slow
@pytest.mark.parametrize("subsample", [None, 20_000])
def test_an_npz_is_streamed(subsample: int | None, tmp_path: Path) -> None:
    sizes = (5, 2, 2, 2, 1, 100, 10)
    write_mpi3d(tmp_path / "a.npz", sizes, packed=True, images=np.zeros((COUNT, 64, 64, 3), np.uint8))
    count, size, rise = loaded(f"mpi3d:{tmp_path / 'a.npz'}", tmp_path, "mpi3d", (sizes, sizes), subsample)
    assert count == (subsample or COUNT)
    assert rise < 200e6 < size


@pytest.mark.slow
@pytest.mark.parametrize("subsample", [None, 20_000])
def test_an_hdf5_is_read_in_slices(subsample: int | None, tmp_path: Path) -> None:
    """In the chunks that h5py would choose for the whole: what lies in the same ones is held, 184 MB."""
    sizes = (5, 2, 2, 2, 100, 10)
    zeros = np.zeros((COUNT, 64, 64, 3), np.uint8)
    write_shapes3d(tmp_path / "a.h5", sizes, together=(15_000, 4, 4, 1), images=zeros)
    count, _, rise = loaded(f"shapes3d:{tmp_path / 'a.h5'}", tmp_path, "shapes3d", sizes, subsample)
    assert count == (subsample or COUNT)
    assert rise < 184e6 + 150e6


@pytest.mark.slow
def test_a_packed_archive_is_read_file_by_file(tmp_path: Path) -> None:
    """Forty cars: 189 MB of pictures."""
    sizes = (4, 24, 40)
    write_cars3d(tmp_path / "a.tar.gz", sizes)
    count, _, rise = loaded(f"cars3d:{tmp_path / 'a.tar.gz'}", tmp_path, "cars3d", sizes)
    assert count == 96 * 40
    assert rise < 100e6


@pytest.mark.slow
def test_binary_matrices_are_read_in_blocks(tmp_path: Path) -> None:
    """All pictures of both cameras: 896 MB, of which those of one are kept, scaled: 199 MB."""
    sizes = (5, 10, 9, 18, 6)
    write_smallnorb(tmp_path / "a", sizes, packed=False)
    count, size, rise = loaded(f"smallnorb:{tmp_path / 'a'}", tmp_path, "smallnorb", sizes)
    assert count == 48_600
    assert rise < 150e6 < size
