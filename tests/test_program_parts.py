"""What is missing, what takes its place, and vectors of several sites."""

from __future__ import annotations

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro import poutine
from torch.nn import functional

from pyro_bvae.programs import filled, is_known, joined, one_hot

MISSING = [
    (torch.tensor([3, -1, 0]), [True, False, True]),
    (torch.tensor([[1, 2], [-1, 2]]), [True, False]),
    (torch.tensor([0.0, torch.nan]), [True, False]),
    (torch.tensor([[[0.0, 1.0]], [[torch.nan, 1.0]]]), [True, False]),
    (torch.zeros(0, 3), []),
]


@pytest.mark.parametrize(("values", "known"), MISSING)
def test_a_row_is_known_where_all_its_values_are(values: torch.Tensor, known: list[bool]) -> None:
    assert is_known(values).tolist() == known


@pytest.mark.parametrize(("values", "known"), MISSING)
def test_what_is_filled_is_known_and_what_was_known_stays(values: torch.Tensor, known: list[bool]) -> None:
    assert is_known(filled(values)).all()
    assert torch.equal(filled(values)[is_known(values)], values[is_known(values)])
    assert filled(values).dtype == values.dtype


def test_a_site_is_observed_where_it_is_known_and_latent_elsewhere() -> None:
    y = torch.tensor([2, -1])

    def program() -> None:
        with pyro.plate("batch", 2):
            pyro.sample("y", dist.Categorical(torch.ones(3)), obs=filled(y), obs_mask=is_known(y))

    sites = poutine.trace(program).get_trace().nodes
    assert sites["y_observed"]["mask"].tolist() == [True, False]
    assert sites["y_unobserved"]["mask"].tolist() == [False, True]


@pytest.mark.parametrize("leading", [[(7,), (7,)], [(10, 1), (7,)], [(4, 1, 1), (10, 1), (7,)], [(), (7,)]])
def test_joined_vectors_broadcast_as_sums_of_them_do(leading: list[tuple[int, ...]]) -> None:
    parts = [torch.randn(*shape, width) for width, shape in enumerate(leading, start=1)]
    whole = joined(*parts)
    assert whole.shape == (*sum(part.sum(-1) for part in parts).shape, sum(part.shape[-1] for part in parts))
    for part, piece in zip(parts, whole.split([part.shape[-1] for part in parts], dim=-1), strict=True):
        assert torch.equal(piece, part.expand_as(piece))


def test_one_hot_is_that_of_torch_where_labels_are_known() -> None:
    labels = torch.randint(0, 5, (3, 4))
    assert torch.equal(one_hot(labels, torch.zeros(1), 5), functional.one_hot(labels, 5).float())
    assert not one_hot(torch.tensor([-1]), torch.zeros(1), 5).any()
