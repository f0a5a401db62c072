"""Where a fit runs. Each of several ranks takes a GPU of its own."""

from __future__ import annotations

import torch

from .. import ranks

__all__ = ["resolve_device"]


def resolve_device(name: str) -> torch.device:
    """The device of that name; "auto" is CUDA where there is one, otherwise the CPU.

    Raises:
        ValueError: The device is unknown or not there, or the ranks of this machine are more than its devices.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, number = (name if ":" in name else f"{name}:0").partition(":")
    of_cuda = torch.cuda.device_count() if torch.cuda.is_available() else 0
    there = {"cpu": 1, "cuda": of_cuda, "mps": int(torch.backends.mps.is_available())}
    if not number.isdecimal() or int(number) >= there.get(kind, 0):
        raise ValueError(f"there is no device {name!r} on this machine; use auto or cpu")
    if ranks.size() == 1 or name == "cpu":
        return torch.device(name)
    if name != "cuda":
        raise ValueError(f"several ranks fit on `device=cpu`, or on `device=cuda`, one GPU a rank; got {name!r}")
    if ranks.local_size() > of_cuda:
        raise ValueError(
            f"{ranks.local_size()} ranks on this machine want as many GPUs, and there are {of_cuda}: start fewer, or "
            "use `device=cpu`"
        )
    torch.cuda.set_device(ranks.local_rank())
    return torch.device("cuda", ranks.local_rank())
