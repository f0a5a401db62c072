"""What stands beside images reaches the programs that name it: few labels, arrays of an npz, missing values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from pyro_bvae import datasets
from pyro_bvae.datasets import Dataset, Rows, rows_of
from pyro_bvae.datasets.few_labels import with_few_labels
from pyro_bvae.training.minibatches import Minibatches


@pytest.mark.parametrize("count", [10, 13, 100, 1000])
def test_as_many_labels_of_each_class_are_kept_and_only_of_training_data(count: int) -> None:
    whole, few = datasets.load("digits"), datasets.load("digits", labelled=count, seed=3)
    labels = few.beside["labels"]
    kept = labels >= 0
    assert int(kept.sum()) == count
    assert not kept[few.held_out].any()
    assert whole.labels is not None
    assert torch.equal(labels[kept], whole.labels[kept])
    numbers = torch.bincount(labels[kept], minlength=10)
    assert numbers.max() - numbers.min() <= 1
    assert few.labels is not None
    assert torch.equal(few.labels, whole.labels)
    assert few.fingerprint == whole.fingerprint


def test_which_labels_are_kept_follows_from_the_seed() -> None:
    one, same, other = (datasets.load("digits", labelled=50, seed=seed).beside["labels"] for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


@pytest.mark.parametrize(("count", "message"), [(9, "from 10, one label a class, to"), (10**6, "got 1000000")])
def test_too_few_or_too_many_labels_are_refused(count: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        datasets.load("digits", labelled=count)


def test_a_class_that_is_too_small_is_named() -> None:
    labels = torch.cat([torch.zeros(50, dtype=torch.long), torch.ones(3, dtype=torch.long)])
    data = Dataset("mine", torch.rand(53, 4), labels=labels, train=torch.arange(52), held_out=torch.tensor([52]))
    with pytest.raises(ValueError, match="wants 4 of each class, and class 1 has 2 of them"):
        with_few_labels(data, 8)
    with pytest.raises(ValueError, match="wants a class of each datum, and bare has no labels: leave it out"):
        with_few_labels(Dataset("bare", torch.rand(5, 4)), 2)


def test_arrays_of_an_npz_are_observed_by_name(tmp_path: Path) -> None:
    y, c = np.arange(20) % 4 - 1, np.linspace(0, 1, 20)
    c[3] = np.nan
    np.savez(tmp_path / "a.npz", images=np.random.default_rng(0).random((20, 4)), y=y, c=c, words=np.array(["a"] * 20))
    data = datasets.load(f"npz:{tmp_path / 'a.npz'}", observe="y,c")
    assert torch.equal(data.extra["y"], torch.from_numpy(y))
    np.testing.assert_array_equal(data.extra["c"].numpy(), c.astype(np.float32))
    assert data.options["observe"] == "y,c"
    assert datasets.load(data.name, **{k: v for k, v in data.options.items() if v and k != "data_root"}).fingerprint
    for wanted, message in (("q", "has no array 'q' to observe, only"), ("words", "words must be numbers")):
        with pytest.raises(ValueError, match=message):
            datasets.load(f"npz:{tmp_path / 'a.npz'}", observe=wanted)
    with pytest.raises(ValueError, match="the dataset digits has no `observe`"):
        datasets.load("digits", observe="y")


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"y": torch.zeros(3)}, r"extra 'y' must have shape \(6, ...\), got \(3,\)"),
        ({"x": torch.zeros(6)}, "extra 'x' cannot be the name of a program's argument beside x and size"),
        ({"two words": torch.zeros(6)}, "extra 'two words' cannot be the name"),
        ({"y": torch.full((6,), torch.inf)}, "extra 'y' has infinite values; what is missing is NaN"),
    ],
)
def test_what_does_not_fit_beside_images_is_refused(extra: dict[str, torch.Tensor], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Dataset("mine", torch.rand(6, 4), extra=extra)


def test_rows_are_cut_moved_and_split_together() -> None:
    rows = Rows(torch.arange(10.0)[:, None], {"y": torch.arange(10)})
    parts = list(rows.split(4))
    assert [len(part) for part in parts] == [4, 4, 2]
    for part in [*parts, rows[torch.tensor([7, 2])], rows[1:3], rows.to(torch.device("cpu"))]:
        assert torch.equal(part.images[:, 0].long(), part.extra["y"])
    assert rows_of(rows) is rows
    assert rows_of(rows.images).extra == {}


def test_a_subset_keeps_what_stands_beside_its_images() -> None:
    extra = {"y": torch.arange(30)}
    data = Dataset("mine", torch.arange(30.0)[:, None], extra=extra)
    part = datasets.dataset.part_of(data, 8)
    assert torch.equal(part.images[:, 0].long(), part.extra["y"])
    assert data.fingerprint != Dataset("mine", torch.arange(30.0)[:, None]).fingerprint


def test_streamed_minibatches_hand_on_what_resident_ones_do() -> None:
    extra = {"y": torch.arange(60), "c": torch.rand(60, 2, dtype=torch.float64)}
    data = Dataset("mine", torch.arange(60.0)[:, None], extra=extra)
    options = {"dtype": torch.float32, "names": ("y", "c")}
    ways = [Minibatches(data, 16, 3, torch.device("cpu"), resident=there, **options) for there in (True, False)]
    for step in (0, 1, 3, 4, 2):
        one, other = (way.batch(step) for way in ways)
        assert all(map(torch.equal, one, other))
        assert torch.equal(one[0][:, 0].long(), one[1])
        assert one[2].dtype == torch.float32
