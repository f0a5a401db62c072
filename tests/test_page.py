"""The explorer's page, in a real browser: what one does with the mouse and the keyboard, and what is then painted.

Chromium is driven by playwright; without them the tests are skipped. No page may leave an error in its console.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import browsing
import numpy as np
import pytest
import torch
from browsing import as_bytes, is_near, settle
from PIL import Image

from pyro_bvae import BetaVAE, fit
from pyro_bvae.codes import encode
from pyro_bvae.datasets import Dataset
from pyro_bvae.generation import images_of
from pyro_bvae.pages.explorer import explore
from pyro_bvae.runs.run import Run

MARKUP = "<img src=x onerror=alert(1)>"
MOVE = "(slider, value) => { slider.value = value; slider.dispatchEvent(new Event('input')); }"
MOVED = """async (before) => {
    const { z } = explorer.panels[0].state;
    while (Math.abs(z[1] - before) < 0.5) await new Promise((resume) => requestAnimationFrame(resume));
}"""
DROP = """(bytes) => {
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([Uint8Array.from(bytes)], "grey.png", { type: "image/png" }));
    document.body.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
}"""
STEPS = """() => {
    const view = { held_out: 20, shape: [1, 8, 8], colourings: [] };
    const chosen = [];
    const choose = ({ index }) => chosen.push(index);
    const starts = new Starts(document.createElement("div"), [view], [{ canUpload: false }], choose, [2, 5, 9]);
    for (const by of [1, 1, 1, -1, -1]) starts.step(by);
    starts.index.value = 6;
    starts.step(1);
    return chosen;
}"""
AGAIN = """() => explorer.panels[0].latents.strips.rows.map(({ strip, picture }) => {
    const before = strip.toDataURL();
    picture.paintRow(picture.data);
    return strip.toDataURL() === before;
})"""
NUMBERS = """async () => {
    const { source } = explorer.panels[0];
    const start = source.start.bind(source);
    const seen = [];
    source.start = (choice) => { seen.push(explorer.starts.index.value); return start(choice); };
    explorer.starts.step(1);
    explorer.starts.step(1);
    await explorer.settled();
    return seen;
}"""
Open = Callable[..., Any]


@pytest.fixture
def opened(page: Any) -> Iterator[Open]:
    """Open the explorer of a model or run in the browser; returns the page once its first picture is painted."""
    explorers = []

    def open_page(*arguments: Any) -> Any:
        explorers.append(explore(*arguments))
        page.goto(explorers[-1].url)
        return settle(page)

    yield open_page
    for explorer in explorers:
        explorer.close()


def model(shape: tuple[int, ...], network: str = "mlp", likelihood: str = "bernoulli", latent_dim: int = 3) -> BetaVAE:
    """A model whose pictures depend strongly on z, without a fit."""
    torch.manual_seed(0)
    vae = BetaVAE(shape, latent_dim, hidden=(20,), network=network, likelihood=likelihood)
    with torch.no_grad():
        for parameter in vae.decoder.parameters():
            parameter *= 2
    return vae.eval()


def noise(shape: tuple[int, ...], count: int = 40) -> Dataset:
    generator = torch.Generator().manual_seed(0)
    if len(shape) == 1:
        return Dataset("vectors", torch.randn(count, *shape, generator=generator))
    return Dataset("noise", torch.randint(0, 256, (count, *shape), generator=generator, dtype=torch.uint8))


def pixels(page: Any, name: str = "picture-0") -> np.ndarray:
    """Bytes (H, W, 3) that a canvas shows."""
    return browsing.pixels(page, f"[data-testid={name}]")[..., :3]


def decoded(vae: BetaVAE, z: Any) -> np.ndarray:
    """The same of a code, by torch."""
    return as_bytes(images_of(vae, torch.as_tensor(z, dtype=torch.float32)[None])[0])


def code(page: Any, run: int = 0) -> list[float]:
    return page.evaluate(f"Array.from(explorer.panels[{run}].state.z)")


def slider(page: Any, latent: int, run: int = 0) -> Any:
    return page.locator(f'[data-run="{run}"] input[type=range][data-latent="{latent}"]')


def assert_shows(page: Any, vae: BetaVAE, z: Any) -> None:
    settle(page)
    assert is_near(pixels(page), decoded(vae, z), most=1)  # of 255: by rounding, also of weights to 16 bits


@pytest.mark.parametrize(
    ("shape", "network", "likelihood"),
    [
        ((1, 8, 8), "mlp", "bernoulli"),
        ((1, 16, 16), "mlp", "gaussian"),
        ((3, 19, 17), "conv", "bernoulli"),
        ((3, 12, 20), "mlp", "discretized-logistic"),
        ((1, 28, 28), "conv", "continuous-bernoulli"),
    ],
)
def test_the_pixels_are_those_of_torch(shape: tuple[int, ...], network: str, likelihood: str, opened: Open) -> None:
    vae = model(shape, network, likelihood)
    page = opened(vae, noise(shape))
    for latent, value in ((0, 1.5), (2, -2.25), (1, 3.0)):
        slider(page, latent).evaluate(MOVE, value)
        assert_shows(page, vae, code(page))
    assert code(page)[1] == 3.0


def test_a_vector_is_drawn_from_the_numbers_of_torch(opened: Open) -> None:
    vae = model((5,), likelihood="gaussian")
    page = settle(opened(vae, noise((5,))))
    slider(page, 1).evaluate(MOVE, 2.0)
    shown = settle(page).evaluate("Array.from(explorer.panels[0].looks.picture.x)")
    assert np.allclose(shown, images_of(vae, torch.tensor([code(page)]))[0], atol=1e-3)
    assert pixels(page).std() > 0


def test_keys_move_a_slider_and_put_it_back(opened: Open) -> None:
    vae = model((1, 8, 8))
    page = opened(vae, noise((1, 8, 8)))
    start = code(page)
    slider(page, 0).focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    assert code(page)[0] == pytest.approx(start[0] + 0.11)
    assert_shows(page, vae, code(page))
    page.keyboard.press("End")
    assert code(page)[0] == 3
    page.keyboard.press("Backspace")
    assert code(page) == start
    assert_shows(page, vae, start)


def test_a_double_click_puts_one_back_and_reset_all(opened: Open) -> None:
    page = opened(model((1, 8, 8)), noise((1, 8, 8)))
    start = code(page)
    for latent in range(3):
        slider(page, latent).evaluate(MOVE, 2.5)
    slider(page, 1).dblclick(position={"x": 5, "y": 11})
    assert [value == before for value, before in zip(code(page), start, strict=True)] == [False, True, False]
    page.get_by_role("button", name="Reset all").click()
    assert code(page) == start


def test_a_value_beyond_the_range_can_be_typed_and_the_range_set(opened: Open) -> None:
    vae = model((1, 8, 8))
    page = opened(vae, noise((1, 8, 8)))
    page.get_by_label("Value of z2").fill("4.5")
    assert code(page)[2] == 4.5
    assert_shows(page, vae, code(page))
    page.get_by_label("Value of z1").fill("1e39")  # more than a float of 32 bits holds
    assert np.isfinite(code(page)).all()
    page.get_by_label("Range ±").fill("5")
    page.get_by_label("Range ±").press("Enter")
    assert slider(page, 2).evaluate("slider => [slider.min, slider.max, slider.value]") == ["-5", "5", "4.5"]


def test_it_starts_from_an_image_the_prior_and_a_draw(opened: Open) -> None:
    vae, data = model((1, 8, 8)), noise((1, 8, 8))
    page = opened(vae, data)
    held_out = data.images[data.held_out]
    codes = encode(vae, held_out).loc
    last = len(held_out) - 1
    steps = [("Next", 1), ("Previous", 0), ("Previous", last), ("Next", 0)]
    for button, index in steps:
        page.get_by_role("button", name=button).click()
        assert_shows(page, vae, codes[index])
        assert (pixels(page, "original-0")[..., 0] == held_out[index, 0].numpy()).all()
        assert page.get_by_label("Held-out image").input_value() == str(index)
    page.get_by_label("Held-out image").fill("3")
    page.get_by_label("Held-out image").press("Enter")
    assert_shows(page, vae, codes[3])
    page.get_by_role("button", name="Random draw").click()
    drawn = code(settle(page))
    page.get_by_role("button", name="Prior mean").click()
    assert_shows(page, vae, [0, 0, 0])
    assert drawn != code(page)
    assert page.get_by_test_id("original-0").is_hidden()


def test_a_number_that_is_asked_for_meanwhile_stays_in_its_field(opened: Open) -> None:
    page = opened(model((1, 8, 8)), noise((1, 8, 8)))
    assert page.evaluate(NUMBERS) == ["1", "2"]


def test_a_run_that_starts_alone_says_from_what(opened: Open) -> None:
    vae = model((1, 8, 8))
    page = opened([vae, vae], noise((1, 8, 8)))
    page.evaluate("explorer.panels[0].view.held_out = 0")  # as that of a run whose data have moved
    page.evaluate("explorer.start({ kind: 'prior' })")
    page.evaluate("explorer.settled().then(() => explorer.start({ kind: 'image', index: 3 }))")
    assert settle(page).locator(".status").text_content() == "Held-out image 3"


def test_it_starts_from_a_picture_of_ones_own_and_says_so_of_a_broken_one(opened: Open, tmp_path: Path) -> None:
    vae = model((1, 8, 8))
    page = opened(vae, noise((1, 8, 8)))
    grey = np.random.default_rng(0).integers(0, 256, (8, 8)).astype(np.uint8)
    Image.fromarray(grey).save(tmp_path / "mine.png")
    page.get_by_label("Your own picture").set_input_files(tmp_path / "mine.png")
    assert_shows(page, vae, encode(vae, torch.from_numpy(grey)[None, None]).loc[0])
    assert (pixels(page, "original-0")[..., 0] == grey).all()
    before = code(page)
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with page.expect_response("**/upload"):
        page.get_by_label("Your own picture").set_input_files(tmp_path / "broken.png")
    assert "no image" in settle(page).get_by_role("alert").text_content()
    assert code(page) == before
    page.get_by_role("button", name="Prior mean").click()
    assert settle(page).locator(".alert").text_content() == ""


def test_of_many_rapid_moves_the_last_is_painted_and_few_are_decoded(opened: Open) -> None:
    vae = model((1, 8, 8))
    page = opened(vae, noise((1, 8, 8)))
    decodes = page.evaluate(
        """async () => {
            const { source } = explorer.panels[0];
            const decode = source.decode.bind(source);
            let count = 0;
            source.decode = (...what) => { count += 1; return decode(...what); };
            const slider = document.querySelector('[data-latent="1"]');
            for (let move = 1; move <= 100; move++) {
                slider.value = -3 + 0.05 * move;
                slider.dispatchEvent(new Event('input'));
            }
            await explorer.settled();
            return count;
        }"""
    )
    assert decodes <= 2
    assert code(page)[1] == 2
    assert_shows(page, vae, code(page))


def test_a_name_is_kept_beside_the_run_and_is_text(opened: Open, tmp_path: Path) -> None:
    data = noise((1, 8, 8))
    page = opened(fit(model(data.shape), data, steps=2, compile=False, out=tmp_path / "run"), data)
    with page.expect_response("**/name"):
        page.get_by_label("Name of z1").fill(MARKUP)
        page.get_by_label("Name of z1").press("Enter")
    assert json.loads((tmp_path / "run" / "names.json").read_text()) == {"1": MARKUP}
    page.reload()
    assert settle(page).get_by_label("Name of z1").input_value() == MARKUP
    assert page.locator("img").count() == 0


def test_names_of_data_classes_and_columns_are_text(opened: Open) -> None:
    shape = (1, 8, 8)
    data = Dataset(MARKUP, noise(shape).images, labels=torch.arange(40) % 2, label_names=[MARKUP, "</script>"])
    page = opened(model(shape), data)
    assert MARKUP in page.locator(".facts").text_content()
    assert MARKUP in page.content().replace("&lt;", "<").replace("&gt;", ">")
    assert page.locator("img").count() == 0
    vectors = Dataset("named", torch.randn(40, 3), columns=[MARKUP, "b", "c"])
    page = opened(model((3,), likelihood="gaussian"), vectors)
    assert page.locator("img").count() == 0


def test_two_runs_start_from_the_same_image_and_have_sliders_of_their_own(opened: Open, runs: list[Run]) -> None:
    page = opened([runs[0], runs[2]])
    for number, run in enumerate((runs[0], runs[2])):
        data = run.dataset()
        z = encode(run.model, data.images[data.held_out[:1]]).loc[0]
        assert code(page, number) == pytest.approx(z.tolist(), abs=1e-3)
    assert (pixels(page, "original-0") == pixels(page, "original-1")).all()
    before = code(page, 1)
    slider(page, 0, run=0).evaluate(MOVE, 2.0)
    assert code(page, 0)[0] == 2
    assert code(page, 1) == before


def test_a_latent_plays_to_and_fro(opened: Open) -> None:
    page = opened(model((1, 8, 8)), noise((1, 8, 8)))
    before = code(page)
    page.get_by_role("button", name="Play z1").click()
    page.evaluate(MOVED, before[1])
    page.get_by_role("button", name="Stop z1").click()
    after = code(page)
    assert [after[0], after[2]] == [before[0], before[2]]
    page.wait_for_timeout(50)
    assert code(page) == after


def test_keys_play_a_latent_and_the_plane_stops_it(opened: Open) -> None:
    page = opened(model((1, 8, 8)), noise((1, 8, 8)))
    slider(page, 1).press("P")
    assert page.evaluate("explorer.panels[0].latents.playing") == 1
    page.get_by_test_id("plane-0").press("ArrowUp")
    assert page.evaluate("explorer.panels[0].latents.playing") is None


def test_strips_show_the_whole_sweep(opened: Open) -> None:
    vae = model((1, 8, 8))
    page = opened(vae, noise((1, 8, 8)))
    slider(page, 0).evaluate(MOVE, 1.0)
    page.evaluate("explorer.stripsSettled()")
    z = code(page)
    strip = browsing.pixels(page, ".latent:has([data-latent='2']) .strip")[..., 0]
    columns = strip.reshape(8, -1, 8)
    for place, value in enumerate(np.linspace(-3, 3, columns.shape[1])):
        assert is_near(columns[:, place], decoded(vae, [*z[:2], value])[..., 0], most=1)


def test_strips_of_vectors_share_one_scale(opened: Open) -> None:
    vae = model((5,), likelihood="gaussian")
    with torch.no_grad():
        vae.decoder.layers[0].weight[:, 2] *= 10  # the last strip moves most
    page = opened(vae)
    page.evaluate("explorer.stripsSettled()")
    assert page.evaluate(AGAIN) == [True] * 3


@pytest.mark.parametrize("latent_dim", [1, 200])
def test_one_latent_or_very_many_have_sliders(latent_dim: int, opened: Open) -> None:
    vae = model((1, 8, 8), latent_dim=latent_dim)
    page = opened(vae, noise((1, 8, 8)))
    assert page.locator("input[type=range]").count() == latent_dim
    slider(page, latent_dim - 1).evaluate(MOVE, 2.0)
    assert_shows(page, vae, code(page))


def test_a_model_without_data_starts_from_the_prior(opened: Open) -> None:
    vae = model((1, 8, 8))
    page = opened(vae)
    assert_shows(page, vae, [0, 0, 0])
    assert page.get_by_role("button", name="Next").count() == 0
    assert "data" in page.locator(".fine").text_content()


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_screen(width: int, opened: Open) -> None:
    page = opened(model((1, 8, 8)), noise((1, 8, 8)))
    page.set_viewport_size({"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_page_asks_its_own_server_alone(opened: Open, page: Any) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page = opened(model((1, 8, 8)), noise((1, 8, 8)))
    slider(page, 1).evaluate(MOVE, 2.0)
    settle(page)
    assert {url.split("/")[2] for url in asked if not url.startswith("data:")} == {page.url.split("/")[2]}


def test_a_picture_can_be_dropped_on_the_page(opened: Open, tmp_path: Path) -> None:
    vae = model((1, 8, 8))
    page = opened(vae, noise((1, 8, 8)))
    Image.fromarray(np.full((8, 8), 128, np.uint8)).save(tmp_path / "grey.png")
    page.evaluate(DROP, list((tmp_path / "grey.png").read_bytes()))
    assert_shows(page, vae, encode(vae, torch.full((1, 1, 8, 8), 128, dtype=torch.uint8)).loc[0])
    assert "grey.png" in page.locator(".status").text_content()


def test_a_draw_takes_the_place_of_the_mean_and_can_be_drawn_again(opened: Open) -> None:
    vae = model((1, 8, 8))
    page = opened(vae, noise((1, 8, 8)))
    page.get_by_label("Draw", exact=True).check()
    first = pixels(settle(page))
    assert set(np.unique(first)) == {0, 255}
    page.get_by_role("button", name="Draw again").click()
    assert (pixels(settle(page)) != first).any()
    page.get_by_label("Draw", exact=True).uncheck()
    assert_shows(page, vae, code(page))


def test_a_start_beyond_the_range_is_kept_and_said(opened: Open) -> None:
    vae = model((1, 8, 8))
    with torch.no_grad():
        vae.encoder.loc.bias[1] += 20
    page = opened(vae, noise((1, 8, 8)))
    before = code(page)
    assert before[1] > 3
    assert "beyond the range in z1" in page.locator(".tools").text_content()
    slider(page, 1).press("ArrowRight")
    assert code(page) == before
    slider(page, 1).press("ArrowLeft")
    assert 3 < code(page)[1] < before[1]
    assert_shows(page, vae, code(page))


def test_a_page_that_holds_some_data_alone_steps_through_these(opened: Open) -> None:
    page = opened(model((1, 8, 8)), noise((1, 8, 8)))
    assert page.evaluate(STEPS) == [2, 5, 9, 5, 2, 9]
