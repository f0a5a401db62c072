"""What one may want to see of a fit: a progress bar while it runs, figures at its end.

Pass them to `fit`; it prints and draws nothing by itself. None of them ends a fit: where nobody listens any more,
nothing is written, and a picture that cannot be drawn or written is left out, with a warning that names it.
"""

from __future__ import annotations

from ..plots import save_figure
from .figures import Figures, draw_figures, drawings, figures_of
from .progress import Progress

__all__ = ["Figures", "Progress", "draw_figures", "drawings", "figures_of", "save_figure"]
