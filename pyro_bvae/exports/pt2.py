"""PT2: encoder and decoder as programs that `torch.export.load` brings back, without this package.

Source: https://docs.pytorch.org/docs/stable/export.html
"""

from __future__ import annotations

import io
from pathlib import Path

import torch

from ..files import as_json, atomic_write
from ..runs.run import Run
from .description import described
from .graphs import graphs, quiet

__all__ = ["METADATA", "write"]

METADATA = "metadata.json"  # the extra file of each


def write(run: Run, path: Path) -> list[Path]:
    """Write the encoder and the decoder.

    Args:
        run: Whose model it is.
        path: The name, such as model.pt2: the files are model-encoder.pt2 and model-decoder.pt2.

    Returns:
        The files.

    Raises:
        ValueError: A part cannot be exported.
    """
    facts, files = described(run), []
    for part, graph in graphs(run).items():
        about = {**facts, "part": part, "inputs": graph.inputs, "outputs": graph.outputs}
        content = io.BytesIO()
        with quiet():
            torch.export.save(graph.program, content, extra_files={METADATA: as_json(about)})
        files.append(path.with_name(f"{path.stem}-{part}{path.suffix}"))
        with atomic_write(files[-1]) as partial:
            partial.write_bytes(content.getbuffer())
    return files
