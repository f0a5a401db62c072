"""The base of all objectives: a distortion, plus a regulariser of the code that each objective defines.

    loss = Σ_x D(x) + B · regulariser,    D(x) = −E_q(z|x) log p(x | z)

summed over a batch of B images, as Pyro's ELBOs are; the regulariser is in nats an image. All terms are computed from
the distributions and values of the sites, not from the traces' own ``log_prob``, which contains the programs' β. So
every objective ignores the programs' β, except `Beta`, which reads it from the guide's latent site. Where several ranks
take a step together, every one computes the loss of the whole batch from sites that are gathered.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, ClassVar

import numpy as np
import torch
from pyro import poutine
from pyro.infer import ELBO
from pyro.util import warn_if_nan
from torch import Tensor, nn

from .. import ranks
from ..terms import traces
from .gathering import whole
from .sites import Sites, read

__all__ = ["NUMBER", "WEIGHT", "WHOLE_NUMBER", "WORD", "Option", "PerImage", "Regularised", "Sites", "read"]


@dataclass(frozen=True)
class Option:
    """The values that an argument of an objective may have in a specification, such as ``tc:beta=6``.

    Attributes:
        kind: "number", of at least 0; "whole number", of at least 1; or "word".
        is_required: Whether it has no default.
        may_be_scheduled: Whether its value may change from step to step, as that of a buffer may.
    """

    kind: str
    is_required: bool = False
    may_be_scheduled: bool = False


NUMBER, WHOLE_NUMBER, WORD = Option("number"), Option("whole number"), Option("word")
WEIGHT = Option("number", may_be_scheduled=True)


class Regularised(ELBO, nn.Module):
    """A distortion and a regulariser: a subclass writes `regulariser`.

    An objective with a state of its own, such as a discriminator, also writes `update_inputs` and `update`, and sets
    ``learns = True``. Every objective is a module: its coefficients are buffers, which a compiled step reads anew each
    time, and its ``state_dict`` is part of a checkpoint.

    Args:
        coefficients: Names and numbers, which become buffers.
        free_bits: λ, see `mean_rate`, in nats a latent.
        num_particles: Draws of z a step.
        others: All other arguments of the objective, plain data.

    Attributes:
        OPTIONS: The arguments that a specification may set, in the order of the constructor.
        least_batch: The fewest data of which it can be taken; a shorter last batch of an epoch joins the one before.
        needs_one_site: Whether it is computed of the codes themselves, which wants programs with one latent site, whose
            draws are vectors.
        NEEDS: The arguments that `fit` supplies, of `Sizes`.
        settings: All arguments as they were given; a run's config repeats them.

    Raises:
        ValueError: A number is out of range.
        TypeError: A subclass writes `update` without ``learns = True``; raised where the class is defined.
    """

    OPTIONS: ClassVar[Mapping[str, Option]] = {}
    NEEDS: ClassVar[tuple[str, ...]] = ()
    least_batch: ClassVar[int] = 1
    needs_one_site: ClassVar[bool] = False
    num_particles: int
    takes_beta = False  # whether it takes its β from the programs
    learns = False  # whether `update` is called after each step
    supports_cuda_graph = True  # whether `update` can be part of a CUDA graph
    differing = 0  # factors in which, at most, the two of a pair differ; 0 where a batch is not of pairs

    def __init_subclass__(cls, **options: Any) -> None:
        """Refuse an objective whose `update` nobody would call."""
        super().__init_subclass__(**options)
        if cls.update is not Regularised.update and not cls.learns:
            raise TypeError(f"{cls.__name__} has an update of its own, which is called only if learns is True: set it")
        for old, new in (("lesson", "update_inputs"), ("learn", "update"), ("can_be_captured", "supports_cuda_graph")):
            if hasattr(cls, old):
                raise TypeError(f"{cls.__name__} has the older name {old}, which is {new} now: rename it")

    def __init__(
        self, coefficients: dict[str, float], *, free_bits: float = 0.0, num_particles: int = 1, **others: Any
    ) -> None:
        nn.Module.__init__(self)
        ELBO.__init__(self, num_particles=num_particles)
        if free_bits < 0 or not isfinite(free_bits):
            raise ValueError(f"free_bits is in nats a latent and at least 0, got {free_bits}")
        self.free_bits = free_bits
        self.settings = {**coefficients, "free_bits": free_bits, "num_particles": num_particles, **others}
        for name, value in coefficients.items():
            self.register_buffer(name, torch.tensor(_finite(name, value)))

    @abstractmethod
    def regulariser(self, sites: Sites) -> Tensor:
        """The term that is added to the distortion: a scalar, in nats an image."""

    def update_inputs(self, sites: Sites) -> tuple[Tensor, ...]:  # noqa: ARG002
        """The tensors of a step that `update` is called with."""
        return ()

    def update(self, *inputs: Tensor) -> None:
        """Change the objective's own state after a step, given its `update_inputs`."""

    @property
    def coefficients(self) -> dict[str, float]:
        """The current values of the coefficients."""
        return {name: float(str(np.float32(value.item()))) for name, value in self.named_buffers(recurse=False)}

    def set(self, **coefficients: float) -> None:
        """Change coefficients in place, as a schedule does.

        Raises:
            ValueError: There is no such coefficient, or the number is not finite.
        """
        known = dict(self.named_buffers(recurse=False))
        for name, value in coefficients.items():
            if name not in known:
                raise ValueError(f"{type(self).__name__} has no coefficient {name!r}; it has {', '.join(known)}")
            known[name].fill_(_finite(name, value))

    def mean_rate(self, sites: Sites) -> Tensor:
        """The batch's mean rate with free bits, Σ_k max(λ, mean KL_k), in nats an image.

        Source: Kingma et al., Improving variational inference with inverse autoregressive flow,
        https://arxiv.org/abs/1606.04934
        """
        if not self.free_bits:
            return sites.rate.mean()
        if sites.kl is None or sites.weighted:
            raise ValueError("free bits want one latent site, and a prior and a guide that factorise over the latents")
        return sites.kl.mean(0).clamp(min=self.free_bits).sum()

    def differentiable_loss(
        self, model: Callable[..., Any], guide: Callable[..., Any], *args: Any, **kw: Any
    ) -> Tensor:
        """The loss of a batch, a scalar. Neither parameters nor the objective's state change."""
        return self._loss_and_sites(model, guide, args, kw)[0]

    def loss(self, model: Callable[..., Any], guide: Callable[..., Any], *args: Any, **kw: Any) -> float:
        """The loss of a batch as a number."""
        with torch.no_grad():
            return float(self.differentiable_loss(model, guide, *args, **kw))

    def loss_and_grads(self, model: Callable[..., Any], guide: Callable[..., Any], *args: Any, **kw: Any) -> float:
        """The loss of a batch as a number; adds its gradients to those of the parameters and calls `update`."""
        loss, sites = self._loss_and_sites(model, guide, args, kw)
        if loss.requires_grad:
            loss.backward()
        warn_if_nan(loss, "loss")
        if self.learns and loss.isfinite():
            self.update(*(tensor.detach() for tensor in self.update_inputs(sites)))
        return loss.item()

    def _get_trace(self, model: Any, guide: Any, args: Any, kw: Any) -> tuple[poutine.Trace, poutine.Trace]:
        return traces(model, guide, *args, **kw)

    def _loss_and_sites(self, model: Any, guide: Any, args: Any, kw: Any) -> tuple[Tensor, Sites]:
        losses = []
        for _ in range(self.num_particles):
            sites = whole(read(*self._get_trace(model, guide, args, kw)))
            if self.needs_one_site and sites.weighted:
                raise ValueError(
                    f"the objective {type(self).__name__} is for one latent site, and the programs have "
                    f"{', '.join(sites.weighted)}: take the objective beta, or capacity"
                )
            if self.needs_one_site and sites.z.dim() != 2:
                raise ValueError(
                    f"the objective {type(self).__name__} is for a latent of shape (batch, K), and got "
                    f"{tuple(sites.z.shape)}: flatten it in the programs, or take the objective beta, or capacity"
                )
            losses.append(sites.distortion.sum() + len(sites.rate) * self.regulariser(sites))
        return torch.stack(losses).mean(), sites


class PerImage(nn.Module):
    """The mean over the images of a batch of a Pyro ELBO, which is itself a sum over them.

    Of a batch that several ranks share it is the ℓ_r of `ranks.sharing`.
    """

    def __init__(self, elbo: ELBO) -> None:
        super().__init__()
        self.elbo = elbo  # where it is a module, its buffers are found here

    def differentiable_loss(self, model: Any, guide: Any, *args: Any, **kw: Any) -> Tensor:
        """The loss of a batch, in nats an image; the first argument of the programs is the batch."""
        loss, share = self.elbo.differentiable_loss(model, guide, *args, **kw), ranks.the_share()
        if share is None:
            return loss / len(args[0])
        return loss * (1 if isinstance(self.elbo, Regularised) else share.weight) / share.total


def _finite(name: str, value: float) -> float:
    if not isfinite(value):
        raise ValueError(f"{name} must be finite, got {value}")
    return float(value)
