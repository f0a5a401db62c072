"""Parameters of modules in Pyro's parameter store.

Pyro names a parameter of a module by both: ``module$$$parameter``.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyro
from pyro.distributions import constraints
from pyro.params.param_store import param_with_module_name
from torch import nn

__all__ = ["register", "strays"]

DIVIDER = param_with_module_name("", "")


def register(name: str, module: nn.Module) -> None:
    """Make the parameters of a module known to Pyro, as `pyro.module` does, whatever their memory layout.

    Pyro's store makes contiguous copies of what is not contiguous, such as a transposed weight or a kernel with its
    channels innermost. `pyro.infer.SVI` would then train the copies, and the module never.

    Args:
        name: Of the module in the store.
        module: Its frozen parameters are left out.
    """
    store = pyro.get_param_store()
    for own_name, parameter in module.named_parameters():
        if not parameter.requires_grad:
            continue
        full_name = param_with_module_name(name, own_name)
        if full_name not in store:
            store.set_state({"params": {full_name: parameter}, "constraints": {full_name: constraints.real}})
        pyro.param(full_name, parameter)


def strays(module: nn.Module) -> Iterator[str]:
    """The names of what Pyro's store holds besides the parameters of a module, and the copies that it made of them."""
    own = {id(parameter): f".{name}" for name, parameter in module.named_parameters()}
    for name, parameter in pyro.get_param_store().named_parameters():
        _, divider, leaf = name.partition(DIVIDER)
        is_copy = divider and any(own_name.endswith(f".{leaf}") for own_name in own.values())
        if id(parameter) not in own and not is_copy:
            yield name
