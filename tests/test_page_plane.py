"""The plane in a browser: its cross is z, its points are the held-out codes, and what it says comes from the data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from browsing import as_bytes, code, explored, is_near, pixels, settle, shows, wait_until

from pyro_bvae import BetaVAE, Run
from pyro_bvae.datasets import Dataset
from pyro_bvae.pages.document import static

PLANE = "[data-testid=plane-0]"
MARKUP = "<img src=x onerror=document.title='broken'>"
LONELY = """() => {  // the point that is farthest from all others and from the cross
    const { plane } = explorer.panels[0];
    const places = Array.from(plane.field.xs, (x, point) => plane.field.at(x, plane.field.ys[point]));
    const others = [...places, plane.cross()];
    const apart = (one, other) => one === other ? Infinity : Math.hypot(one[0] - other[0], one[1] - other[1]);
    const room = places.map((one) => Math.min(...others.map((other) => apart(one, other))));
    const point = room.indexOf(Math.max(...room));
    return [plane.state.view.codes.index[point], ...places[point]];
}"""


@pytest.fixture
def plane(page: Any, digits_run: Run) -> Iterator[Any]:
    """The explorer of a short run of digits."""
    with explored(page, digits_run) as opened:
        opened.locator(PLANE).scroll_into_view_if_needed()
        yield opened


def corner(page: Any) -> tuple[float, float]:
    """Where the drawing on the plane begins, inside its border."""
    box = page.locator(PLANE).bounding_box()
    return box["x"] + 1, box["y"] + 1


def place(page: Any, x: float, y: float) -> tuple[float, float]:
    """Where a pair of values lies on the screen."""
    across, up = page.evaluate("([x, y]) => explorer.panels[0].plane.field.at(x, y)", [x, y])
    left, top = corner(page)
    return left + across, top + up


def latents(page: Any) -> list[int]:
    return page.evaluate("explorer.panels[0].plane.latents")


def legend(page: Any) -> list[str]:
    return page.locator(".plane .legend .class").all_text_contents()


def test_the_picture_follows_the_cross(plane: Any, digits_run: Run) -> None:
    before = code(plane)
    plane.mouse.move(*place(plane, *before[latents(plane)].tolist()))
    plane.mouse.down()
    for share in (0.3, 0.6, 1.0):
        plane.mouse.move(*place(plane, 1.5 * share, -2.0 * share))
    plane.mouse.up()
    settle(plane)
    after = code(plane)
    assert after[latents(plane)].numpy() == pytest.approx([1.5, -2.0], abs=0.03)
    others = [latent for latent in range(10) if latent not in latents(plane)]
    assert torch.equal(after[others], before[others])
    shows(plane, digits_run.model, after)


def test_arrow_keys_move_the_cross(plane: Any, digits_run: Run) -> None:
    plane.get_by_text("Prior mean").click()
    settle(plane)
    plane.locator(PLANE).focus()
    for key in ("ArrowRight", "ArrowRight", "Shift+ArrowUp", "ArrowDown", "ArrowLeft"):
        plane.keyboard.press(key)
    settle(plane)
    assert code(plane)[latents(plane)].numpy() == pytest.approx([0.1, 0.4], abs=1e-6)
    shows(plane, digits_run.model, code(plane))


def test_an_arrow_key_moves_one_latent_alone_and_none_with_control(plane: Any) -> None:
    before = code(plane)
    plane.locator(PLANE).press("Control+ArrowUp")
    assert torch.equal(code(plane), before)
    plane.locator(PLANE).press("ArrowUp")
    assert (code(plane) != before).nonzero().flatten().tolist() == [latents(plane)[1]]


def test_the_two_latents_with_the_most_kl_are_there_first(plane: Any, digits_run: Run) -> None:
    kl = digits_run.history[-1]["held_out_kl_per_latent"]
    assert latents(plane) == sorted(range(10), key=lambda latent: -kl[latent])[:2]


def test_any_two_latents_can_be_chosen(plane: Any) -> None:
    plane.get_by_label("Latent of the plane, across").select_option("7")
    plane.get_by_label("Latent of the plane, up").select_option("4")
    assert latents(plane) == [7, 4]
    plane.get_by_label("Latent of the plane, up").select_option("7")
    assert latents(plane) == [4, 7]
    drawn = pixels(plane, PLANE)
    plane.get_by_label("Latent of the plane, across").select_option("2")
    assert not np.array_equal(pixels(plane, PLANE), drawn)


def test_a_point_shows_its_image_and_a_click_starts_from_it(plane: Any, digits_run: Run) -> None:
    index, across, up = plane.evaluate(LONELY)
    left, top = corner(plane)
    plane.mouse.move(left + across, top + up)
    plane.wait_for_selector(".plane .tip:visible")
    data = digits_run.dataset()
    image = data.images[data.held_out[index]] / 255
    wait_until(plane, "explorer.panels[0].plane.images.running === null")
    assert is_near(pixels(plane, ".plane .tip canvas")[..., :3], as_bytes(image))
    assert plane.locator(".plane .tip p").text_content() == f"image {index}, label {data.labels[data.held_out[index]]}"
    plane.mouse.click(left + across, top + up)
    settle(plane)
    assert plane.evaluate("explorer.panels[0].state.start.index") == index
    assert is_near(pixels(plane, "[data-testid=original-0]")[..., :3], as_bytes(image))


def test_a_point_without_its_image_shows_no_other(plane: Any) -> None:
    for image in ("source.image.bind(source)", "() => Promise.reject(new Error('gone'))"):
        plane.evaluate(f"(({{ source }}) => {{ source.image = {image}; }})(explorer.panels[0])")
        plane.evaluate("explorer.panels[0].plane.hover(1)")
        plane.evaluate("explorer.panels[0].plane.images.running")
        assert plane.locator(".plane .tip canvas").is_visible() == ("bind" in image)
        assert plane.locator(".plane .tip p").is_visible()
        plane.evaluate("explorer.panels[0].plane.hover(null)")


def test_a_code_that_is_infinite_leaves_the_others_on_the_plane(page: Any, images: Dataset) -> None:
    vae = BetaVAE(images.shape, 3, hidden=(20,))
    with torch.no_grad():
        vae.encoder.loc.bias[1] = torch.inf
    with explored(page, vae, images):
        high = page.evaluate("explorer.panels[0].plane.field.high")
    assert 3 < high < 1e3


def test_enter_starts_from_the_nearest_point(plane: Any) -> None:
    index, *_ = plane.evaluate(LONELY)
    values = "((p) => [p.field.xs, p.field.ys].map((all) => all[p.state.view.codes.index.indexOf(%d)]))"
    x, y = plane.evaluate(f"{values % index}(explorer.panels[0].plane)")
    plane.evaluate("([x, y]) => explorer.panels[0].plane.moveTo([x, y])", [x, y])
    plane.locator(PLANE).press("Enter")
    settle(plane)
    assert plane.evaluate("explorer.panels[0].state.start.index") == index


def test_points_are_coloured_by_label_or_not_at_all(plane: Any) -> None:
    assert legend(plane) == [str(digit) for digit in range(10)]
    coloured = pixels(plane, PLANE)
    plane.get_by_label("Colour of the points").select_option("nothing")
    assert legend(plane) == []
    assert not np.array_equal(pixels(plane, PLANE), coloured)


def test_factors_colour_points_and_their_names_are_text(page: Any) -> None:
    random = torch.Generator().manual_seed(0)
    factors = torch.stack([torch.arange(400) % 3, torch.arange(400)], 1)
    images = torch.randint(0, 256, (400, 1, 16, 16), generator=random, dtype=torch.uint8)
    data = Dataset("noise", images, factors=factors, factor_names=[MARKUP, "turn"])
    with explored(page, BetaVAE(data.shape, 3, hidden=(20,)), data):
        chosen = page.get_by_label("Colour of the points")
        assert chosen.locator("option").all_text_contents() == [MARKUP, "turn", "nothing"]
        assert len(legend(page)) == 3
        chosen.select_option("turn")
        assert legend(page) == []
        held_out = factors[data.held_out, 1]
        assert page.locator(".plane .legend").text_content() == f"{held_out.min()}{held_out.max()}"
        assert page.locator("img").count() == 0
        assert page.title() != "broken"


def test_a_point_of_vectors_shows_its_features(page: Any, vectors: Dataset) -> None:
    with explored(page, BetaVAE(vectors.shape, 3, hidden=(20,)), vectors):
        page.locator(PLANE).scroll_into_view_if_needed()
        index, across, up = page.evaluate(LONELY)
        left, top = corner(page)
        page.mouse.move(left + across, top + up)
        page.wait_for_selector(".plane .tip:visible")
        assert page.locator(".plane .tip p").text_content() == f"vector {index}"
        wait_until(page, "explorer.panels[0].plane.images.running === null")
        assert pixels(page, ".plane .tip canvas")[..., 3].any()


def test_one_latent_has_no_plane(page: Any, images: Dataset) -> None:
    with explored(page, BetaVAE(images.shape, 1, hidden=(20,)), images):
        assert page.locator(PLANE).count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_plane_is_sharp_on_a_fine_screen_in_light_and_dark(scheme: str, browser: Any, images: Dataset) -> None:
    page = browser.new_page(device_scale_factor=2, color_scheme=scheme)
    try:
        with explored(page, BetaVAE(images.shape, 3, hidden=(20,)), images):
            page.locator(PLANE).scroll_into_view_if_needed()
            sizes = page.evaluate(f"((c) => [c.width, c.height, 2 * c.clientWidth])(document.querySelector('{PLANE}'))")
            assert len(set(sizes)) == 1
            drawn = page.evaluate(f"document.querySelector('{PLANE}').toDataURL()")
            page.emulate_media(color_scheme="dark" if scheme == "light" else "light")
            wait_until(page, f"(drawn) => document.querySelector('{PLANE}').toDataURL() !== drawn", drawn)
    finally:
        page.close()


def test_forty_classes_look_different(page: Any) -> None:
    page.add_script_tag(content=static("colouring.js"))
    looks = page.evaluate("Array.from({ length: 40 }, (_, place) => Colouring.lookOfClass(place).join())")
    assert len({*looks}) == 40
    assert len({look.split(",")[0] for look in looks[:10]}) == 10


def test_a_ramp_goes_from_the_least_value_to_the_largest(page: Any) -> None:
    page.add_script_tag(content=static("colouring.js"))
    script = """(values) => {
        const colouring = new Colouring({ name: "turn", classes: null, values });
        return values.map((_, point) => colouring.look(point)[0]);
    }"""
    ends, middle, unknown = ["rgb(68, 1, 84)", "rgb(253, 231, 37)"], "rgb(33, 145, 140)", "#94a4a2"
    assert page.evaluate(script, [0, 10, 5, None]) == [*ends, middle, unknown]
    assert page.evaluate(script, [4, 4]) == [middle] * 2  # the middle, where there is but one value
