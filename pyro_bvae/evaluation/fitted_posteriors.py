"""The guide's family of posteriors fitted to each datum alone.

    q*(x) = argmax ELBO(x, q),    q in the family of q(z | x)

Each parameter φ(x) of a latent's distribution becomes u⁻¹(u(φ(x)) + δ), where u maps its range to the real numbers and
δ is free for each datum, 0 at first. So the family is that of the distribution which the guide has, whatever network
makes its parameters: means and deviations of independent normals, the mean and the whole triangle of a full covariance.
A site whose distribution depends on another latent stays dependent on it, and is shifted. A distribution without
parameters of its own, as a flow, has δ on what ``encoder`` hands to it.

Source: Cremer et al., Inference suboptimality in variational autoencoders, https://arxiv.org/abs/1801.03558
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from inspect import Parameter, signature
from typing import Any

import torch
from pyro import poutine
from pyro.distributions import Delta, TorchDistribution
from pyro.poutine.messenger import Messenger
from pyro.poutine.util import site_is_subsample
from torch import Tensor, nn
from torch.distributions import Independent, biject_to

from ..model import BetaVAE
from ..terms import latent_sites, per_value, terms_of_traces, traces

__all__ = ["DRAWS_A_STEP", "FittedGuide"]

DRAWS_A_STEP = 10
SAME_THING = (("logits", "probs"), ("scale_tril", "covariance_matrix", "precision_matrix"))  # one of which is passed


class FittedGuide:
    """A guide whose posteriors are shifted, with shifts of their own for each datum of one batch.

    Args:
        vae: The programs, in evaluation mode.
        x: The batch, ``(B, *shape)``.
        given: What else the programs take.

    Raises:
        ValueError: A latent is drawn without a gradient, or its family has nothing that could be fitted.
    """

    def __init__(self, vae: BetaVAE, x: Tensor, given: Mapping[str, Any]) -> None:
        self._vae, self._x, self._given = vae, x, given
        self._shifts: dict[str, Tensor] = {}
        self._by_encoder = False
        trace = poutine.trace(vae.guide).get_trace(x, **given)
        latent = {name: trace.nodes[name] for name in latent_sites(trace)}
        for name, site in latent.items():
            _check_gradient(name, site)
        bare = {name: q for name, site in latent.items() if not _parameters(q := per_value(site["fn"]))}
        self._by_encoder = bool(bare)
        with torch.no_grad():
            traces(vae.model, self, x, **given)  # makes the shifts, those of each value of an enumerated site too
        if bare and not any(name.startswith("encoder") for name in self._shifts):
            name, q = next(iter(bare.items()))
            raise ValueError(
                f"the posterior of {name!r}, a {type(q).__name__}, has no parameters to fit to each datum, and the "
                "guide does not call `self.encoder`: make its parameters there, or leave the gaps out"
            )

    def __call__(self, x: Tensor, **given: Any) -> Any:
        """Run the guide with its shifts."""
        with ExitStack() as stack:
            stack.enter_context(_Shifting(self._shifted_distribution))
            if self._by_encoder and isinstance(encoder := getattr(self._vae, "encoder", None), nn.Module):
                stack.callback(encoder.register_forward_hook(self._shifted_output).remove)
            return self._vae.guide(x, **given)

    def fit(self, steps: int, lr: float, progress: Callable[[int], None]) -> Tensor:
        """Maximise the ELBO at β 1 of each datum by Adam, with ten draws a step and a rate that falls linearly to 0.

        The shifts are then the mean of those of the second half of the steps, which takes most of their noise away.

        Args:
            steps: Of Adam.
            lr: Learning rate of the first step.
            progress: Called after each step with its number.

        Returns:
            By how much the ELBO still rose over the last two tenths of the steps: the mean of the last tenth less that
            of the one before, ``(B,)``, in nats.

        Source: Polyak and Juditsky, Acceleration of stochastic approximation by averaging,
        https://doi.org/10.1137/0330046
        """
        shifts = [shift.requires_grad_() for shift in self._shifts.values()]
        optimiser = torch.optim.Adam(shifts, lr=lr)
        elbos, sums = [], [torch.zeros_like(shift) for shift in shifts]
        x, given = _tiled(self._x), {name: _tiled(values) for name, values in self._given.items()}
        for step in range(steps):
            optimiser.param_groups[0]["lr"] = lr * (1 - step / steps)
            with torch.enable_grad():
                of_draws = terms_of_traces(*traces(self._vae.model, self, x, **given))
                elbo = -(of_draws.distortion + of_draws.rate).unflatten(0, (DRAWS_A_STEP, -1)).mean(0)
                optimiser.zero_grad()
                (-elbo.sum()).backward(inputs=shifts)  # type: ignore[no-untyped-call]
            optimiser.step()
            elbos.append(elbo.detach())
            if step >= steps // 2:
                sums = [total + shift.detach() for total, shift in zip(sums, shifts, strict=True)]
            progress(step + 1)
        for shift, total in zip(shifts, sums, strict=True):
            shift.requires_grad_(False).copy_(total / (steps - steps // 2))
        tenth = max(1, steps // 10)
        return torch.stack(elbos[-tenth:]).mean(0) - torch.stack(elbos[-2 * tenth : -tenth] or elbos[-1:]).mean(0)

    def _shift(self, name: str, value: Tensor) -> Tensor:
        """A value for each datum of the batch, or of some copies of it one after the other, with its shift."""
        if name not in self._shifts:
            self._shifts[name] = torch.zeros_like(value, memory_format=torch.contiguous_format)
        shift = self._shifts[name]
        return value + shift.repeat([side // of_one for side, of_one in zip(value.shape, shift.shape, strict=True)])

    def _shifted_distribution(self, name: str, q: TorchDistribution) -> TorchDistribution:
        if isinstance(q, Independent):
            return self._shifted_distribution(name, q.base_dist).to_event(q.reinterpreted_batch_ndims)
        parameters = _parameters(q)
        if not parameters:
            return q
        for parameter, value in parameters.items():
            if parameter in q.arg_constraints:
                to_range = biject_to(q.arg_constraints[parameter])
                parameters[parameter] = to_range(self._shift(f"{name}.{parameter}", to_range.inv(value)))
        return type(q)(**parameters)

    def _shifted_output(self, _module: nn.Module, _inputs: Any, output: Any) -> Any:
        if isinstance(output, Tensor):
            return self._shift("encoder", output)
        return tuple(self._shift(f"encoder.{number}", part) for number, part in enumerate(output))


def _tiled(rows: Tensor) -> Tensor:
    return rows.repeat(DRAWS_A_STEP, *[1] * (rows.dim() - 1))


class _Shifting(Messenger):  # type: ignore[misc]
    """Puts another distribution into each latent site."""

    def __init__(self, shifted: Callable[[str, TorchDistribution], TorchDistribution]) -> None:
        super().__init__()
        self._shifted = shifted

    def _pyro_sample(self, message: dict[str, Any]) -> None:
        if _is_latent(message):
            message["fn"] = self._shifted(message["name"], message["fn"])


def _is_latent(site: Mapping[str, Any]) -> bool:
    return site["type"] == "sample" and not site["is_observed"] and not site_is_subsample(site)


def _check_gradient(name: str, site: Mapping[str, Any]) -> None:
    if not (site["fn"].has_rsample or site["infer"].get("enumerate") == "parallel"):
        raise ValueError(
            f"the posterior of {name!r} is drawn without a gradient, and cannot be fitted to each datum: let the guide "
            "sum over it, infer={'enumerate': 'parallel'}, or leave the gaps out"
        )


def _is_free(range_of_parameter: Any) -> bool:
    """Whether the real numbers can be mapped to the range, which is so if it depends on no other parameter."""
    try:
        biject_to(range_of_parameter)
    except NotImplementedError:
        return False
    return True


def _parameters(q: TorchDistribution) -> dict[str, Any]:
    """What a distribution can be made of again; empty where its parameters are not all its constructor takes."""
    taken = {name: one for name, one in signature(type(q)).parameters.items() if name != "validate_args"}
    names = [name for name in taken if name in q.arg_constraints]
    for alike in SAME_THING:
        names = [name for name in names if name not in alike or name == next(one for one in alike if one in names)]
    others = [name for name, one in taken.items() if one.default is Parameter.empty and name not in names]
    if isinstance(q, Delta) or not names or not all(hasattr(q, name) for name in others):
        return {}
    if not all(_is_free(q.arg_constraints[name]) for name in names):
        return {}
    return {name: getattr(q, name) for name in (*names, *others)}
