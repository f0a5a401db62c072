"""Factors and splits come in many types, and mean the same in each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from pyro_bvae import BetaVAE, fit, metrics
from pyro_bvae.datasets import Dataset, Pairs
from pyro_bvae.datasets.few_labels import with_few_labels

WHOLE = [torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.float16, torch.float32, torch.float64]
FACTORS = torch.cartesian_prod(torch.arange(25), torch.arange(4))
X = torch.rand(100, 6, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("dtype", WHOLE, ids=str)
def test_factors_of_every_type_are_the_same_classes(dtype: torch.dtype) -> None:
    data, expected = Dataset("mine", X, factors=FACTORS.to(dtype)), Dataset("mine", X, factors=FACTORS)
    assert data.factors is not None
    assert data.factors.dtype == torch.int64
    assert (data.factor_sizes, data.fingerprint) == ((25, 4), expected.fingerprint)
    assert metrics.mig(X, data.factors) == metrics.mig(X, FACTORS)
    assert Pairs(data) is not None


@pytest.mark.parametrize("dtype", [*WHOLE, torch.bool], ids=str)
def test_labels_of_every_type_can_be_missing(dtype: torch.dtype) -> None:
    labels = (torch.arange(100) % 2).to(dtype)
    few = with_few_labels(Dataset("mine", X, labels=labels), 10).beside["labels"]
    assert [int((few == value).sum()) for value in (-1, 0, 1)] == [90, 5, 5]


@pytest.mark.parametrize("part", ["train", "held_out"])
def test_a_mask_of_zeros_and_ones_is_no_index(part: str) -> None:
    mask = (torch.arange(100) % 3 == 0).to(torch.uint8)
    with pytest.raises(ValueError, match="a split of 100 zeros and ones is a mask: give it as bool"):
        Dataset("mine", X, **{part: mask})


def test_many_classes_in_few_bits_do_not_wrap() -> None:
    wide = torch.stack([torch.arange(100) + 127, torch.arange(100) % 3], dim=1)  # 226 is the last
    assert Dataset("mine", X, factors=(wide + 29).to(torch.uint8)).factor_sizes == (256, 32)
    assert Dataset("mine", X, factors=wide.to(torch.uint8)).factor_sizes == (227, 3)


def test_factors_of_truth_are_two_classes() -> None:
    assert Dataset("mine", X, factors=FACTORS > 2).factor_sizes == (2, 2)


def mask_of(index: Tensor) -> Tensor:
    return torch.zeros(100, dtype=torch.bool).index_fill(0, index, True)


FORMS: dict[str, Callable[[Tensor], Any]] = {
    "mask": mask_of,
    **{str(dtype): lambda index, dtype=dtype: index.to(dtype) for dtype in WHOLE[:5]},
    "numpy": lambda index: index.numpy(),
    "list": lambda index: index.tolist(),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("given", [("train",), ("held_out",), ("train", "held_out")])
def test_a_split_in_every_form_is_the_same(given: tuple[str, ...], form: str) -> None:
    parts = {"train": torch.arange(20, 100), "held_out": torch.arange(20)}
    shaped = {name: FORMS[form](parts[name]) for name in given}
    data, expected = Dataset("mine", X, **shaped), Dataset("mine", X, **parts)
    assert torch.equal(data.train, parts["train"])
    assert torch.equal(data.held_out, parts["held_out"])
    assert data.fingerprint == expected.fingerprint
    assert fit(BetaVAE((6,), 2, hidden=(4,), likelihood="gaussian"), data, steps=1).step == 1


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"train": torch.arange(9.0)}, r"train must be indices of shape \(M,\) or a mask of shape \(100,\), got "),
        ({"train": torch.arange(9)[:, None]}, r"got torch.int64 of shape \(9, 1\)"),
        ({"held_out": torch.ones(99, dtype=torch.bool)}, r"held_out must be .* got torch.bool of shape \(99,\)"),
        ({"train": torch.arange(100)}, "a split must hold at least one index"),
        ({"train": torch.tensor([100])}, "all from 0 to 99"),
        ({"factors": torch.zeros(100, 0)}, "have no column: leave them out"),
        ({"factors": FACTORS + 0.5}, "must be whole numbers"),
        ({"factors": FACTORS, "factor_names": ["a", "a"]}, "two factors have one name: a, a"),
        ({"factors": FACTORS * float("nan")}, "must be whole numbers"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Dataset("mine", X, **wrong)
