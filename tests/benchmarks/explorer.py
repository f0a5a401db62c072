"""How soon the explorer's picture follows a key: `python tests/benchmarks/explorer.py [--moves 200]`.

A key press moves a slider, or the cross of the plane, in headless Chromium. The time goes from the event, as the
browser stamps it, to the first animation frame after the picture's canvas has been painted. Presses come at random
moments, so that they fall anywhere between two frames of the screen, which are 17 ms apart. The medians are to stay
below the bars.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from playwright.sync_api import sync_playwright

from pyro_bvae import BetaVAE, explore

sys.path.insert(0, str(Path(__file__).parents[1]))
from conftest import CHROMIUM, CHROMIUM_OPTIONS

PLANE = "[data-testid=plane-0]"
SLIDER = "[data-run='0'] input[type=range] >> nth=0"  # of the latent with the most KL
WATCH = """() => {
    window.times = [];
    let pressed = null;
    addEventListener("keydown", (event) => { pressed = event.timeStamp; }, true);
    const put = CanvasRenderingContext2D.prototype.putImageData;
    CanvasRenderingContext2D.prototype.putImageData = function (...pixels) {
        put.apply(this, pixels);
        if (pressed === null || this.canvas.dataset.testid !== "picture-0") return;
        const began = pressed;
        pressed = null;
        requestAnimationFrame(() => times.push(performance.now() - began));
    };
}"""
WARM_UP = 10


class Own(torch.nn.Module):
    """A decoder that the page does not know, so that the server decodes: the package's own in another class."""

    def __init__(self, decoder: torch.nn.Module) -> None:
        super().__init__()
        self.inner = decoder

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return self.inner(z)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--moves", type=int, default=200)
    parser.add_argument("--points", type=int, default=2000, help="of the plane")
    moves, points = (arguments := parser.parse_args()).moves, arguments.points
    mlp = BetaVAE((1, 28, 28), 10, hidden=(400,))
    conv = BetaVAE((1, 64, 64), 10, network="conv")
    custom = BetaVAE((1, 64, 64), 10, encoder=conv.encoder, decoder=Own(conv.decoder))
    print(f"milliseconds from key to painted frame, {moves} presses\n")
    print(f"{'':30} {'decoded':10} {'median':>6} {'95%':>6} {'bar':>4}")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_OPTIONS)
        measure(browser, "mlp 784-400-10", mlp, 20, moves, SLIDER)
        measure(browser, f"the same, plane, {points:,} points", mlp, 20, moves, PLANE, points)
        measure(browser, "conv 64×64", conv, 30, moves, SLIDER)
        measure(browser, "custom decoder 64×64", custom, 60, moves, SLIDER)
        browser.close()


def measure(browser: Any, name: str, vae: BetaVAE, bar: int, moves: int, control: str, points: int = 100) -> None:
    """Press keys in a control, and print how soon the picture has followed."""
    explorer = explore(vae, torch.rand(points, *vae.shape))
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(explorer.url)
    page.evaluate("explorer.settled()")
    where = "in page" if page.evaluate("explorer.panels[0].view.decoder !== null") else "on server"
    page.locator(control).focus()
    page.evaluate(WATCH)
    for press in range(WARM_UP + moves):
        page.keyboard.press("ArrowLeft" if press // 20 % 2 else "ArrowRight")
        page.wait_for_function("(count) => times.length >= count", arg=press + 1)
        time.sleep(random.uniform(0, 0.03))
    times = page.evaluate("times")[WARM_UP:]
    page.close()
    explorer.close()
    print(f"{name:30} {where:10} {np.median(times):6.1f} {np.quantile(times, 0.95):6.1f} {bar:4}", flush=True)


if __name__ == "__main__":
    main()
