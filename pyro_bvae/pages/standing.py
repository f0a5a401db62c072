"""What stands beside the code of a start: other latents, classes, and what else the programs take.

A page has the code of one latent site. The rest stays here, by a name that the page sends back with each code.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch

from ..codes import Codes, encode, followers, is_plain
from ..datasets import Rows
from ..generation import Given, given_for, with_conditions
from ..settings.words import brief
from ..traversal import Base, base
from .views import Shown

__all__ = ["Starts"]

MOST_KEPT = 64


class Starts:
    """The starts of one model, the latest of which are kept.

    Args:
        subject: The model and its data.
    """

    def __init__(self, subject: Shown) -> None:
        self._subject = subject
        self._kept: OrderedDict[str, Given] = OrderedDict()

    def of_prior(self, kind: str, seed: int) -> tuple[Base, dict[str, Any]]:
        """The prior's mean, or a draw, with what a page has to know of it."""
        subject = self._subject
        given = with_conditions(subject.vae, {}, self._some(), 1)
        start = base(subject.vae, None, kind, site=subject.site, given=given, seed=seed)
        return start, self._known(start, f"{kind}-{seed}")

    def of_datum(self, datum: Rows, name: str) -> tuple[Codes, dict[str, Any]]:
        """The code of a datum, likewise; one of the user's own has the conditions of the first held-out datum."""
        subject = self._subject
        conditions = with_conditions(subject.vae, {}, self._some(), 1)
        rows = Rows(datum.images, {**conditions, **datum.extra})
        codes = encode(subject.vae, rows, site=subject.site)
        if is_plain(subject.vae):
            return codes, {}
        return codes, self._known(base(subject.vae, rows, site=subject.site), name)

    def beside(self, name: Any, choices: Any) -> Given | None:
        """What stands beside a code; classes that are chosen take the place of those of the start.

        Args:
            name: Of a start; another that is not kept any more stands for the prior's mean.
            choices: Numbers of classes by the names of sites and arguments.

        Raises:
            ValueError: There is no such choice.
        """
        subject = self._subject
        if is_plain(subject.vae):
            return None
        if not isinstance(name, str) or name not in self._kept:
            self.of_prior("prior", 0)
            name = "prior-0"
        known = given_for(subject.vae, self._kept[name], 1)
        first = known.arguments
        for site, number in self._checked(choices).items():
            value = torch.tensor([number])
            if site in known.held:
                known = known.without({site} | followers(subject.vae, site, **first))
                known = Given(known.arguments, {**known.held, site: value})
            else:
                known = Given({**known.arguments, site: value}, known.held)
        return known.without({subject.site} | followers(subject.vae, subject.site, **first))

    def _known(self, start: Base, name: str) -> dict[str, Any]:
        """Keep a start, and say its name and its classes."""
        if is_plain(self._subject.vae):
            return {}
        self._kept[name] = start.given
        self._kept.move_to_end(name)
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        both = {**start.given.arguments, **start.given.held}
        there = {site: both[site][0] for site in self._subject.choices if site in both}
        numbers = {site: int(value.argmax() if value.dim() else value) for site, value in there.items()}
        return {"given": name, "choices": {site: max(0, number) for site, number in numbers.items()}}

    def _some(self) -> Rows | None:
        data = self._subject.data
        return None if data is None else data.rows(data.held_out[:1])

    def _checked(self, choices: Any) -> dict[str, int]:
        known = self._subject.choices
        if choices is not None and not isinstance(choices, dict):
            raise ValueError(f"choices are classes by name, got {brief(choices)}")
        for site, number in (choices or {}).items():
            is_whole = isinstance(number, int) and not isinstance(number, bool)
            if site not in known or not is_whole or not 0 <= number < len(known[site]):
                raise ValueError(f"there is no class {brief(number)} of {brief(site)}")
        return choices or {}
