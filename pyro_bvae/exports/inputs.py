"""What encoder and decoder take: examples of it, as a call wants them."""

from __future__ import annotations

from collections.abc import Mapping

from pyro import poutine
from pyro.infer.inspect import get_dependencies
from torch import Tensor

from ..codes import is_plain
from ..datasets import of_type
from ..model import BetaVAE
from ..programs import is_known
from ..runs.run import Run
from ..terms import arguments_of, evaluation_mode, given_to, label_of, latent_sites

__all__ = ["EXAMPLES", "conditions_of", "decoded"]

EXAMPLES = 2  # rows of a call; one would be taken for a constant


def conditions_of(run: Run) -> dict[str, Tensor]:
    """What the programs take beside x, by name: two rows of it, of the run's data.

    A label that the programs take where it is known, and infer where it is not, is a latent of theirs and no condition.

    Raises:
        ValueError: The data, which say what it is, cannot be read.
    """
    vae, names = run.model, arguments_of(run.model)
    if not names:
        return {}
    try:
        known = given_to(vae, run.dataset().beside)
    except (OSError, ValueError) as error:
        raise ValueError(f"what {' and '.join(names)} of the programs are is in the run's data: {error}") from error
    given = {name: _example(vae, values) for name, values in known.items()}
    return {name: value for name, value in given.items() if not _is_inferred(vae, name, given)}


def decoded(vae: BetaVAE, conditions: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The latent sites that x depends on directly, by label in the model's order: two draws of each.

    Args:
        vae: The programs.
        conditions: What else they take.
    """
    if is_plain(vae):
        return {"z": vae.beta.new_zeros(EXAMPLES, vae.latent_dim)}
    with evaluation_mode(vae, seed=0):
        one = {name: value[:1] for name, value in conditions.items()}
        parents = get_dependencies(vae.model, (None, 1), one)["prior_dependencies"]["x"]
        trace = poutine.trace(vae.model).get_trace(None, EXAMPLES, **conditions)
    return {label_of(name): trace.nodes[name]["value"] for name in trace.nodes if name in parents and name != "x"}


def _example(vae: BetaVAE, values: Tensor) -> Tensor:
    """Two rows of what stands beside data, where it is known."""
    there = values[is_known(values)][:1]
    row = there if len(there) else values[:1].nan_to_num(0).clamp(min=0)
    return of_type(row, vae.beta.dtype).to(vae.beta.device).expand(EXAMPLES, *values.shape[1:]).clone()


def _is_inferred(vae: BetaVAE, name: str, given: Mapping[str, Tensor]) -> bool:
    """Whether an argument says where a site stands that is latent where it is left out."""
    with evaluation_mode(vae, seed=0):
        whole = poutine.trace(vae.model).get_trace(None, EXAMPLES, **given)
        others = {argument: value for argument, value in given.items() if argument != name}
        try:
            without = poutine.trace(vae.model).get_trace(None, EXAMPLES, **others)
        except Exception:  # whatever programs raise that cannot do without it
            return False
    observed = {label_of(site) for site in whole.observation_nodes}
    return any(label_of(site) in observed for site in latent_sites(without))
