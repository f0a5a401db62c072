"""MNIST and two data sets of its format, by torchvision: 60,000 training and 10,000 test images of 28×28.

Source: LeCun et al., http://yann.lecun.com/exdb/mnist/; Xiao et al., https://arxiv.org/abs/1708.07747;
Clanuwat et al., https://arxiv.org/abs/1812.01718
"""

from __future__ import annotations

from pathlib import Path

import torch

from .dataset import Dataset
from .waiting import one_writer

__all__ = ["is_on_disk", "load"]

TORCHVISION_NAMES = {"mnist": "MNIST", "fashion-mnist": "FashionMNIST", "kmnist": "KMNIST"}
FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
OFFLINE_HINT = "digits, folder:PATH, npz:PATH and npy:PATH need no network"


def load(name: str, root: Path) -> Dataset:
    """One of `TORCHVISION_NAMES` with its published split, downloaded to ``root`` when it is not there.

    Raises:
        OSError: The files are damaged, or cannot be downloaded, or torchvision does not work.
    """
    try:
        from torchvision import datasets  # here, so that only these data sets need a working torchvision
    except (ImportError, RuntimeError) as error:
        raise OSError(f"{name} needs a working torchvision ({_one_line(error)}); {OFFLINE_HINT}") from error

    there = is_on_disk(name, root)
    dataset_class = getattr(datasets, TORCHVISION_NAMES[name])
    try:
        if not there:
            with one_writer(root / TORCHVISION_NAMES[name], "downloads"):
                dataset_class(str(root), train=True, download=not is_on_disk(name, root))
        train = dataset_class(str(root), train=True)
        test = dataset_class(str(root), train=False)
    except Exception as error:  # torchvision raises whatever its reader or the network happens to raise
        where = root / TORCHVISION_NAMES[name] / "raw"
        if there:
            problem = f"cannot read {name} in {where} ({_one_line(error)}): delete that folder to download it again"
        else:
            problem = f"cannot download {name} to {where} ({_one_line(error)})"
        raise OSError(f"{problem}; {OFFLINE_HINT}") from error
    images = torch.cat([train.data, test.data])[:, None]
    labels = torch.cat([train.targets, test.targets])
    order = torch.arange(len(images))
    split = len(train.data)
    return Dataset(
        name, images, labels=labels, train=order[:split], held_out=order[split:], source=f"torchvision {name}"
    )


def is_on_disk(name: str, root: Path) -> bool:
    """Whether all four files, unpacked, are under ``root``."""
    return all((root / TORCHVISION_NAMES[name] / "raw" / file).is_file() for file in FILES)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
