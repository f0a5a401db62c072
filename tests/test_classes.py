"""Errors of a discrete latent: hand-worked, and what does not change them."""

from __future__ import annotations

from itertools import permutations

import pyro
import pyro.distributions as dist
import pytest
import torch
from torch import Tensor

from pyro_bvae import BetaVAE
from pyro_bvae.datasets import Dataset, Rows
from pyro_bvae.evaluation import class_errors, component_errors, errors_of_classes
from pyro_bvae.priors import Mixture


class Sorted(BetaVAE):
    """A class that is read off the first value of a vector, by way of a permutation; known labels are believed."""

    order: Tensor

    def __init__(self, order: list[int]) -> None:
        super().__init__((2,), 2, hidden=(4,), likelihood="gaussian")
        self.register_buffer("order", torch.tensor(order))

    def model(self, x: Tensor | None = None, size: int = 1, labels: Tensor | None = None) -> Tensor:
        self.register()
        with pyro.plate("batch", size if x is None else len(x), dim=-1):
            if labels is None:
                pyro.sample("y", dist.Categorical(torch.ones(3)))
            else:
                pyro.sample("y", dist.Categorical(torch.ones(3)), obs=labels.clamp(min=0), obs_mask=labels >= 0)
            with self.weighted():
                z = pyro.sample("z", self.prior())
            return pyro.sample("x", self.decode(z), obs=x)

    def guide(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        self.register()
        seen = x[:, 0].long() if labels is None else torch.where(labels >= 0, labels, x[:, 0].long())
        logits = 5.0 * (self.order[seen][:, None] == torch.arange(3)).float()
        with pyro.plate("batch", len(x), dim=-1):
            pyro.sample("y" if labels is None else "y_unobserved", dist.Categorical(logits=logits),
                        infer={"enumerate": "parallel"})  # fmt: skip
            with self.weighted():
                return pyro.sample("z", self.encode(x))


@pytest.mark.parametrize("order", [*permutations(range(3))])
def test_matched_errors_do_not_depend_on_how_classes_are_numbered(order: tuple[int, ...]) -> None:
    x = torch.tensor([0, 0, 0, 1, 1, 2, 2, 2, 2, 2])
    labels = torch.tensor([0, 0, 1, 1, 1, 2, 2, 2, 2, 0])
    data = Rows(torch.stack([x, x], 1).float())
    errors = class_errors(Sorted([*order]), data, labels)
    assert errors.matched_error == pytest.approx(0.2)
    assert [errors.matching[number] for number in order] == [0, 1, 2]
    assert errors.error == pytest.approx((torch.tensor(order)[x] != labels).float().mean().item())
    assert errors.count == 10


def test_the_guide_does_not_see_the_labels() -> None:
    data = Rows(torch.zeros(6, 2), {"labels": torch.tensor([0, 1, 2, 0, 1, 2])})
    assert class_errors(Sorted([0, 1, 2]), data, data.extra["labels"]).error == pytest.approx(4 / 6)


@pytest.mark.parametrize("kind", [torch.long, torch.int16])
def test_data_without_a_label_do_not_count(kind: torch.dtype) -> None:
    x = torch.tensor([0, 0, 1, 2, 2, 1]).float()
    labels = torch.tensor([0, 1, 1, -1, 2, -1], dtype=kind)
    data = Dataset("mine", torch.stack([x, x], 1), labels=labels)
    (errors,) = errors_of_classes(Sorted([0, 1, 2]), data, torch.arange(6))
    assert (errors.error, errors.count, errors.matching) == (0.25, 4, [0, 1, 2])
    assert errors_of_classes(Sorted([0, 1, 2]), data, torch.tensor([3, 5])) == []
    with pytest.raises(ValueError, match="`labels` are missing of all data"):
        class_errors(Sorted([0, 1, 2]), data.rows(), torch.full((6,), -1))


def test_more_classes_than_labels_leave_some_without_one() -> None:
    x = torch.tensor([0, 1, 2, 2])
    errors = class_errors(Sorted([0, 1, 2]), Rows(torch.stack([x, x], 1).float()), torch.tensor([0, 0, 1, 1]))
    assert errors.matched_error == pytest.approx(0.25)
    assert errors.matching.count(-1) == 1


def test_a_site_that_is_not_discrete_is_refused() -> None:
    for site in ("z", "w"):
        with pytest.raises(ValueError, match=f"`site` names a discrete latent site, got '{site}'; the guide has y, z"):
            class_errors(Sorted([0, 1, 2]), Rows(torch.zeros(6, 2)), torch.zeros(6, dtype=torch.long), site)


def test_each_discrete_site_has_its_errors() -> None:
    x = torch.tensor([0, 0, 1, 1, 2, 2]).float()
    labels = torch.tensor([0, 0, 1, 1, 2, 0])
    data = Dataset("mine", torch.stack([x, x], 1), labels=labels, extra={"labels": labels})
    (errors,) = errors_of_classes(Sorted([0, 1, 2]), data, torch.arange(6))
    assert (errors.site, errors.count) == ("y", 6)
    assert errors.error == pytest.approx(1 / 6)
    assert errors_of_classes(BetaVAE((2,), 2, likelihood="gaussian"), data, torch.arange(6)) == []
    assert errors_of_classes(Sorted([0, 1, 2]), Dataset("bare", data.images), torch.arange(6)) == []


class Read(BetaVAE):
    """The code is the vector itself, and the prior a mixture around three places."""

    def __init__(self, order: list[int]) -> None:
        super().__init__((2,), 2, hidden=(4,), likelihood="gaussian", prior="mixture:3")
        mixture = self.prior
        assert isinstance(mixture, Mixture)
        with torch.no_grad():
            mixture.loc.copy_(torch.tensor([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]])[order])
            mixture.log_scale.fill_(-1.0)

    def encode(self, x: Tensor) -> dist.TorchDistribution:
        return self.posterior(x, torch.full_like(x, -2.0))


@pytest.mark.parametrize("order", [*permutations(range(3))])
def test_components_of_a_mixture_prior_are_matched_however_they_are_numbered(order: tuple[int, ...]) -> None:
    x = torch.tensor([0.1, -0.2, 0.3, 0.9, 1.2, 2.4, 1.8, 2.0, 1.7, 1.9])
    labels = torch.tensor([0, 0, 1, 1, 1, 2, 2, 2, 2, 0])
    data = Dataset("mine", torch.stack([x, x], 1), labels=labels)
    (errors,) = errors_of_classes(Read([*order]), data, torch.arange(10))
    assert errors.site == "prior"
    assert errors.matched_error == pytest.approx(0.2)
    assert errors.matching == [order[number] for number in range(3)]


def test_a_component_is_chosen_by_its_weight_too() -> None:
    vae = Read([0, 1, 2])
    assert isinstance(vae.prior, Mixture)
    with torch.no_grad():
        vae.prior.logits.copy_(torch.tensor([-50.0, 0.0, -50.0]))
    x = torch.tensor([0.0, 1.0, 2.0])
    errors = component_errors(vae, Rows(torch.stack([x, x], 1)), torch.tensor([0, 1, 2]))
    assert errors.matched_error == pytest.approx(2 / 3)


def test_a_prior_without_components_is_refused() -> None:
    with pytest.raises(ValueError, match=r"components are those of BetaVAE\(\.\.\., prior='mixture:10'\)"):
        component_errors(BetaVAE((2,), 2, likelihood="gaussian"), Rows(torch.zeros(6, 2)), torch.zeros(6).long())
