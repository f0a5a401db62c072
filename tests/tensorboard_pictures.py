"""TensorBoard in headless Chromium, and pictures of what it shows of a run; see screenshots.py."""

from __future__ import annotations

import io
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from PIL import Image

IMAGES, PROJECTOR = (1400, 1340), (1280, 860)
COLOURS = 256
LONGEST, SETTLING = 120.0, 8.0  # seconds: until something is there, and until it is painted
WEBGL = ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"]
SHOWN = "traversal|reconstructions"
# colours the points by a column of the metadata, once that is there; the panel lies in the shadow of other elements
COLOURED = """(column) => {
    const below = (root) => [...root.querySelectorAll("*")].flatMap(
        (element) => [element, ...(element.shadowRoot ? below(element.shadowRoot) : [])]);
    const panel = below(document).find((element) => element.localName === "vz-projector-data-panel");
    if (!panel?.colorOptions?.some((option) => option.name === column)) return false;
    panel.selectedColorOptionName = column;
    return true;
}"""


def take(browser: Any, run: Path, folder: Path) -> None:
    """Write tensorboard-images.png and tensorboard-projector.png of a run that was tracked, with labels."""
    with served(run) as address:
        page = browser.new_page(viewport=size(IMAGES))
        page.goto(f"{address}/#images")
        page.get_by_text("Show actual image size").click()
        page.locator("tf-image-dashboard").get_by_role("textbox").last.fill(SHOWN)
        page.wait_for_load_state("networkidle")
        save(page, folder / "tensorboard-images.png")
        page.close()
        page = browser.new_page(viewport=size(PROJECTOR))
        page.goto(f"{address}/#projector")
        projector_of(page).wait_for_function(COLOURED, arg="label", timeout=1000 * LONGEST, polling=500)
        save(page, folder / "tensorboard-projector.png")
        page.close()


def projector_of(page: Any) -> Any:
    """The inner frame in which the projector is."""
    end = time.monotonic() + LONGEST
    while time.monotonic() < end:
        for frame in page.frames:
            if "projector_binary" in frame.url:
                return frame
        page.wait_for_timeout(500)
    raise TimeoutError("the page has no projector")


@contextmanager
def served(run: Path) -> Iterator[str]:
    """The address of TensorBoard, when it knows the run."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", run.parent.name, "--port", str(port)]
    how: dict[str, Any] = {"cwd": run.parent.parent, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([*command, "--host", "127.0.0.1"], **how) as server:
        try:
            address, end = f"http://127.0.0.1:{port}", time.monotonic() + LONGEST
            while not known(address):
                if time.monotonic() > end or server.poll() is not None:
                    raise TimeoutError("tensorboard does not answer, or knows no run")
                time.sleep(0.5)
            yield address
        finally:
            server.terminate()


def known(address: str) -> list[str]:
    """The runs that a TensorBoard knows; none as long as it does not answer."""
    try:
        with urlopen(f"{address}/data/runs") as answer:
            return list(json.load(answer))
    except URLError:
        return []


def size(sides: tuple[int, int]) -> dict[str, int]:
    return {"width": sides[0], "height": sides[1]}


def save(page: Any, file: Path) -> None:
    """Write what the page shows after some seconds, with few colours; the points turn, and so never stand still."""
    page.wait_for_timeout(1000 * SETTLING)
    shown = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    shown.quantize(COLOURS, Image.Quantize.FASTOCTREE).save(file, optimize=True)
