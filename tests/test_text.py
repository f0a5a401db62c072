"""Text files of vectors, and the line on which one is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pyro_bvae import datasets


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("txt", "1 2\n3 4.5\n-5e-1 6\n"),
        ("txt", "# a comment\n1\t2\n\n3  4.5  # another\n-.5 6"),
        ("csv", "1,2\n3,4.5\n-0.5,6\n"),
        ("csv", "length, width\n1, 2\n3, 4.5\n-0.5, 6\n"),
    ],
)
def test_vectors_are_read(kind: str, content: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_text(content)
    data = datasets.load(f"{kind}:{tmp_path / 'a'}")
    assert data.images.tolist() == [[1, 2], [3, 4.5], [-0.5, 6]]
    assert data.name == f"{kind}:{tmp_path / 'a'}"


BAD = {
    "line 3: 3 numbers, where the lines before have 2": ("txt", "1 2\n3 4\n5 6 7\n8 9\n"),
    "line 4: 1 numbers, where the lines before have 2": ("txt", "# x\n1 2\n\n3\n"),
    "line 2: 'b' is not a number": ("txt", "1 2\na b\n".replace("a", "3")),
    "line 3: 'x' is not a number": ("csv", "h,k\n1,2\n3,x\n"),
    "line 3: 3 numbers, where": ("csv", "h,k\n1,2\n3,4,5\n"),
    "holds no numbers": ("txt", "\n"),
    "at least 2 images": ("csv", "h,k\n1,2\n"),
    "NaN or infinite": ("csv", "1,2\n3,nan\n"),
}


@pytest.mark.parametrize("message", list(BAD))
def test_what_is_wrong_is_named_with_its_line(message: str, tmp_path: Path) -> None:
    kind, content = BAD[message]
    (tmp_path / "a").write_text(content)
    with pytest.raises(ValueError, match=message):
        datasets.load(f"{kind}:{tmp_path / 'a'}")


def test_many_vectors_are_read_as_numpy_reads_them(tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).normal(size=(5000, 3)).astype(np.float32)
    np.savetxt(tmp_path / "a.csv", vectors, delimiter=",", fmt="%.9g")
    assert np.array_equal(datasets.load(f"csv:{tmp_path / 'a.csv'}").images.numpy(), vectors)
