"""What tests ask of the explorer's server."""

from __future__ import annotations

import http.client
import io
import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from pyro_bvae import BetaVAE, fit
from pyro_bvae.datasets import Dataset
from pyro_bvae.pages import Explorer
from pyro_bvae.runs.run import Run


def ask(
    explorer: Explorer, path: str = "/", body: bytes | None = None, method: str | None = None, **headers: str
) -> tuple[int, bytes, dict[str, str]]:
    """Status, content and headers of an answer; header names have _ in place of -."""
    connection = http.client.HTTPConnection("127.0.0.1", explorer.port, timeout=30)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method or ("GET" if body is None else "POST"), path, body, named)
        answer = connection.getresponse()
        return answer.status, answer.read(), dict(answer.getheaders())
    finally:
        connection.close()


def do(explorer: Explorer, action: str, run: int = 0, **asked: Any) -> Any:
    """What the server answers to the page's script: JSON, or numbers."""
    status, content, headers = ask(explorer, f"/api/{run}/{action}", json.dumps(asked).encode())
    assert status == 200, content
    is_json = headers["Content-Type"] == "application/json"
    return json.loads(content) if is_json else torch.from_numpy(np.frombuffer(content, "<f4").copy())


def refused(explorer: Explorer, *arguments: Any, **headers: str) -> tuple[int, str]:
    """Status and line of a refusal."""
    status, content, _ = ask(explorer, *arguments, **headers)
    line = json.loads(content)["error"]
    assert "\n" not in line
    assert len(line) < 700
    return status, line


def views(explorer: Explorer) -> list[dict[str, Any]]:
    """What the page knows."""
    text = ask(explorer)[1].decode("ascii", "replace")
    return json.loads(text.partition('id="views">')[2].partition("</script>")[0])


def floats(base64: str) -> Tensor:
    return torch.from_numpy(np.frombuffer(b64decode(base64), "<f4").copy())


def picture(kind: str = "PNG", size: tuple[int, int] = (60, 40), mode: str = "RGB") -> bytes:
    random = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3)).astype(np.uint8)
    content = io.BytesIO()
    Image.fromarray(random).convert(mode).save(content, kind)
    return content.getvalue()


def small_run(path: Path | None = None, data: Dataset | None = None, **options: Any) -> Run:
    images = torch.randint(0, 256, (40, 1, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    data = data or Dataset("noise", images)
    vae = BetaVAE(data.shape, **({"latent_dim": 3, "hidden": (5,)} | options))
    return fit(vae, data, steps=2, compile=False, out=path)
