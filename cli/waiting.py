"""How threads wait for each other: not for long, where other programs want the cores too.

At the end of an operation the threads of OpenMP wait for the slowest. By default they spin, for milliseconds; on a
machine that others use as well, they spin while the one that they wait for cannot run, for want of the core.

Source: GOMP_SPINCOUNT, https://gcc.gnu.org/onlinedocs/libgomp/GOMP_005fSPINCOUNT.html;
KMP_BLOCKTIME, https://openmp.llvm.org/design/Runtimes.html
"""

from __future__ import annotations

import os
import sys

__all__ = ["wait_briefly"]

BRIEFLY = {"GOMP_SPINCOUNT": "100000", "KMP_BLOCKTIME": "1"}  # turns of a loop, and milliseconds
PREFIXES = ("OMP_", "GOMP_", "KMP_", "MKL_")


def wait_briefly() -> None:
    """Let threads spin for a millisecond or two, unless the user has set anything about them.

    It is read when PyTorch is loaded, and changes nothing afterwards.
    """
    if "torch" not in sys.modules and not any(name.startswith(PREFIXES) for name in os.environ):
        os.environ.update(BRIEFLY)
