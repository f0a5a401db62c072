"""What holds while a fit runs, and is as it was before when the fit is done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pyro
import torch

from ..compiled.memory import keep_freed_memory
from ..compiled.randomness import own_generator
from ..model import BetaVAE

__all__ = ["fit_scope"]


@contextmanager
def fit_scope(vae: BetaVAE, seed: int, device: torch.device) -> Iterator[None]:
    """A parameter store and random numbers of the fit's own, gradients, and the training mode.

    Gradients are on also where the caller has switched them off. A model in evaluation mode is in training mode
    meanwhile. Of one in training mode, the parts that are in evaluation mode stay so.

    Raises:
        ValueError: The model was made under `torch.inference_mode`, which makes tensors that cannot be trained.
    """
    keep_freed_memory()
    modes = {} if vae.training else {module: module.training for module in vae.modules()}
    with torch.inference_mode(False), torch.enable_grad(), own_generator(seed, device):
        for name, tensor in (*vae.named_parameters(), *vae.named_buffers()):
            if tensor.is_inference():
                raise ValueError(
                    f"{name} was made under torch.inference_mode, which no step can train: make it outside"
                )
        for module in modes:
            module.training = True
        try:
            with pyro.get_param_store().scope():
                yield
        finally:
            for module, training in modes.items():
                module.training = training
