"""What is looked at in a browser: the latent explorer, and the report of a run in one file.

Both are one page. `document` puts its template, style and scripts (``static/``) together with what `views` knows about
a run. The explorer serves it from this machine, and the report is the same page as a file.
"""

from __future__ import annotations

from .explorer import Explorer, explore

__all__ = ["Explorer", "explore"]
