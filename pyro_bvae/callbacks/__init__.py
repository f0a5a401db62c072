"""What one may want to see of a fit: a progress bar while it runs, figures at its end, its run in a tracker.

Pass them to `fit`; it prints and draws nothing by itself. None of them ends a fit: where nobody listens any more,
nothing is written, and a picture that cannot be drawn or written is left out, with a warning that names it, as is a
tracker that fails.
"""

from __future__ import annotations

from ..plots import save_figure
from .destinations import Destination
from .figures import Figures, draw_figures, drawings, figures_of
from .loggers import Log, Logger
from .progress import Progress
from .tracker import Tracker, trackers_of

__all__ = [
    "Destination",
    "Figures",
    "Log",
    "Logger",
    "Progress",
    "Tracker",
    "draw_figures",
    "drawings",
    "figures_of",
    "save_figure",
    "trackers_of",
]
