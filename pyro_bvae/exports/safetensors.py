"""safetensors: the weights of the whole model, with the arguments of `BetaVAE` that build it again.

Source: https://huggingface.co/docs/safetensors
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from ..files import as_json, atomic_write, wanted
from ..runs.run import Run
from .description import described

__all__ = ["KEY", "write"]

KEY = "pyro_bvae"  # of the header; its value is JSON


def write(run: Run, path: Path) -> list[Path]:
    """Write the state dict.

    Args:
        run: Whose model it is.
        path: The file.

    Returns:
        The file.

    Raises:
        ValueError: The state dict holds more than tensors.
        MissingPackageError: safetensors is not installed.
    """
    package = wanted("safetensors.torch", "safetensors", "export")
    weights = {}
    for name, value in run.model.state_dict().items():
        if not isinstance(value, Tensor):
            raise ValueError(f"{name} is a {type(value).__name__}, and safetensors holds tensors alone")
        weights[name] = value.detach().cpu().clone(memory_format=torch.contiguous_format)
    facts = described(run) | {"model": run.model.settings, "custom": run.model.custom}
    content = package.save(weights, metadata={KEY: as_json(facts)})
    with atomic_write(path) as partial:
        partial.write_bytes(content)
    return [path]
