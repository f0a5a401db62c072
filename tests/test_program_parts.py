"""What is missing, what takes its place, and vectors of several sites."""

from __future__ import annotations

from typing import Any

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro import poutine
from torch.nn import functional

from pyro_bvae.programs import (
    enumerated_where_missing,
    filled,
    is_known,
    joined,
    observed_where_known,
    one_hot,
)
from pyro_bvae.terms import traces

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


PARTLY: dict[str, tuple[Any, torch.Tensor]] = {
    "numbers": (dist.Categorical(torch.ones(3)), torch.tensor([2, -1, 0])),
    "coins": (dist.Bernoulli(torch.tensor(0.3)), torch.tensor([1.0, torch.nan, 0.0])),
    "rows of zeros and a one": (dist.OneHotCategorical(torch.ones(3)), torch.eye(3)),
    "whole ones": (dist.OneHotCategorical(torch.ones(3)), torch.eye(3, dtype=torch.long)),
    "positive": (dist.LogNormal(torch.zeros(2), 1.0).to_event(1), torch.ones(3, 2)),
    "shares": (dist.Dirichlet(torch.ones(3)), torch.full((3, 3), 1 / 3)),
    "between two and three": (dist.Uniform(2.0, 3.0), torch.full((3,), 2.5)),
    "counts": (dist.Poisson(2.0), torch.ones(3)),
}


@pytest.mark.parametrize("name", PARTLY)
def test_what_is_missing_may_be_of_any_family(name: str) -> None:
    p, values = PARTLY[name]
    values = values.clone()
    values[1] = torch.nan if values.is_floating_point() else -1
    known = torch.tensor([True, False, True])

    def guide() -> Any:
        with pyro.plate("batch", 3, dim=-1):
            if p.has_enumerate_support:
                return enumerated_where_missing("y", p, values)
            with poutine.mask(mask=~known):
                return pyro.sample("y_unobserved", p)

    def model() -> Any:
        with pyro.plate("batch", 3, dim=-1):
            return observed_where_known("y", p, values)

    of_model, of_guide = traces(model, guide)
    y = of_model.nodes["y"]["value"]
    assert of_model.nodes["y_observed"]["mask"].tolist() == known.tolist()
    rows = y.reshape(-1, *values.shape)
    assert rows[:, known].equal(values[known].to(y).expand_as(rows[:, known]))
    if p.has_enumerate_support:
        missing = rows[:, 1].reshape(-1, *p.event_shape)
        assert missing.equal(p.enumerate_support().reshape(missing.shape))
        whole = of_guide.nodes["_RETURN"]["value"].reshape(rows.shape)
        assert whole.equal(rows)
    assert of_model.log_prob_sum().isfinite()
