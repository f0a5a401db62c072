"""Where compilers keep their kernels, so that compiling the same step again takes a fraction of the first time."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import warnings
from pathlib import Path

__all__ = ["cache_folder", "mend_cache"]

VARIABLE = "TORCHINDUCTOR_CACHE_DIR"


def cache_folder() -> Path:
    """The folder of PyTorch's compiler.

    Raises:
        OSError: It cannot be made.
    """
    from torch._inductor.runtime.cache_dir_utils import cache_dir

    return Path(cache_dir())


def mend_cache() -> None:
    """Put a temporary folder in the place of one that the environment names and that cannot be written, with a warning.

    Once PyTorch's compiler is imported, which building an optimiser does, it fails without that folder.

    Raises:
        OSError: A temporary folder cannot be made either.
    """
    named = os.environ.get(VARIABLE)
    if named is None:
        return
    try:
        os.makedirs(named, exist_ok=True)
        reason = None if os.access(named, os.W_OK) else "it cannot be written"
    except OSError as error:
        reason = error.strerror
    if reason is not None:
        os.environ[VARIABLE] = folder = tempfile.mkdtemp(prefix="pyro_bvae-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        said = f"the compiler's cache {named} is of no use ({reason})"
        warnings.warn(f"{said}, and a temporary one takes its place; set {VARIABLE}", RuntimeWarning, stacklevel=2)
