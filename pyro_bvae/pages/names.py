"""Names of latents, as the user types them: kept in the run's names.json, or for the session where that cannot be.

The file is read anew each time, so that two explorers of a run see each other's names.
"""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from typing import Any

from ..runs.latent_names import as_name, read_latent_names, write_latent_names
from ..settings.words import one_line

__all__ = ["Names"]

IN_MEMORY = "the model is in memory"


class Names:
    """The names of a model's latents.

    Args:
        folder: Of the run; None for a model in memory.
        latent_dim: Number of latents, K.
    """

    def __init__(self, folder: Path | None, latent_dim: int) -> None:
        self._folder, self._latent_dim = folder, latent_dim
        self._unkept: dict[int, str] = {}  # those that could not be written; "" is a name that was taken away
        self._reason: str | None = IN_MEMORY if folder is None else None
        self._lock = Lock()

    def shown(self) -> dict[str, Any]:
        """The names and a line why they are not kept, or None, as a page wants them."""
        with self._lock:
            names = self._names()
            note = None if self._reason is None else f"Names last until the explorer ends: {self._reason}"
            return {"names": {str(latent): name for latent, name in names.items()}, "names_note": note}

    def rename(self, latent: int, name: str) -> None:
        """Give a latent a name; an empty one takes it away."""
        with self._lock:
            self._unkept[latent] = as_name(name)
            if self._folder is None:
                return
            try:
                names = read_latent_names(self._folder) | self._unkept
                write_latent_names(self._folder, {latent: name for latent, name in names.items() if name})
            except (OSError, ValueError) as error:  # a damaged file is the user's, and is not replaced
                self._reason = one_line(str(error))
            else:
                self._unkept, self._reason = {}, None

    def _names(self) -> dict[int, str]:
        """Those that are kept, and those that could not be, of latents that there are."""
        kept: dict[int, str] = {}
        if self._folder is not None:
            try:
                kept = read_latent_names(self._folder)
            except (OSError, ValueError) as error:
                self._reason = one_line(str(error))
            else:
                self._reason = self._reason if self._unkept else None
        names = kept | self._unkept
        return {latent: name for latent, name in sorted(names.items()) if name and latent < self._latent_dim}
