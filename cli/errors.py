"""What went wrong, in one plain line that says how to go on."""

from __future__ import annotations

import errno

import click

from pyro_bvae.files import WriteError
from pyro_bvae.settings.spelling import as_options
from pyro_bvae.settings.words import one_line, plain

__all__ = ["DISK_IS_FULL", "said"]

# options that a command may have, of which less takes less memory
TAKE_MEMORY = ("jobs", "batch_size", "count", "columns", "image_size", "exact_images", "subsample")
DISK_IS_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
OUT_OF_MEMORY = ("out of memory", "allocate memory", "not enough memory", "alloc_failed", "storage size")


def said(error: BaseException, command: click.Command | None) -> str:
    """The line.

    Args:
        error: What was raised.
        command: The command that raised it.
    """
    if isinstance(error, WriteError) and error.errno:
        return f"cannot write {plain(error.filename)}: {error.strerror}; {_how_to_write(error.errno, command)}"
    if isinstance(error, OSError) and error.strerror:
        place = (one_line if error.errno == errno.ENAMETOOLONG else plain)(str(error.filename or ""))
        return f"{place}: {error.strerror}" if place else error.strerror
    raw = str(error)
    if isinstance(error, MemoryError) or any(words in raw.lower() for words in OUT_OF_MEMORY):
        return _out_of_memory("cuda" in raw.lower(), command)
    text = as_options(one_line(raw.partition("Trace Shapes:")[0]))  # which Pyro adds, for those who write programs
    if command is None or "at" not in {param.name for param in command.params}:
        text = text.replace("--at STEP", "fit --resume --at STEP")
    if isinstance(error, ValueError | FloatingPointError | OSError) and text:
        return text
    what = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return f"this is a fault of pyro-bvae, please report it: {what} (PYRO_BVAE_TRACEBACK=1 shows where)"


def _how_to_write(number: int, command: click.Command | None) -> str:
    """What helps where a file cannot be written."""
    if number in DISK_IS_FULL:
        return "what stood there is kept: make room, and type the command again"
    has = {param.name for param in command.params} if command else set()
    places = [f"--{name.replace('_', '-')}" for name in ("out", "data_root") if name in has]
    return f"name another place{' with ' * bool(places)}{' or '.join(places)}"


def _out_of_memory(of_a_gpu: bool, command: click.Command | None) -> str:
    """What may help, among the options that the command has."""
    has = {param.name for param in command.params} if command else set()
    smaller = [f"--{name.replace('_', '-')}" for name in TAKE_MEMORY if name in has][:3]
    helps = [f"a smaller {' or '.join(smaller)}"] if smaller else []
    helps += ["--device cpu"] if of_a_gpu and "device" in has else []
    return f"out of memory{' of the GPU' * of_a_gpu}: try {', or '.join(helps) or 'again when more of it is free'}"
