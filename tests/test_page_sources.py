"""Where pictures of a page come from: what a source gives in the browser is what the library gives."""

from __future__ import annotations

import io
import json
from base64 import b64encode
from collections.abc import Iterator
from math import inf
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.testing import assert_close

from pyro_bvae import BetaVAE, explore
from pyro_bvae.codes import encode, prior_mean
from pyro_bvae.datasets import Dataset, pixels
from pyro_bvae.generation import images_of
from pyro_bvae.pages.packing import base64_of, pack_encoder
from pyro_bvae.pages.views import shown, view_of
from pyro_bvae.traversal import sweep

NEAR = {"atol": 2e-3, "rtol": 2e-3}  # weights of 16 bits


@pytest.fixture
def data(images: Dataset) -> Dataset:
    return Dataset("noise", images.images, labels=torch.arange(60) % 3, label_names=["a", "<b>", "c"])


@pytest.fixture
def served(page: Any, vae: BetaVAE) -> Iterator[Any]:
    """A page that has the scripts."""
    with explore(vae) as explorer:
        page.goto(explorer.url)
        page.evaluate("explorer.settled()")
        yield page


def embedded(vae: BetaVAE, data: Dataset | None, **more: Any) -> dict[str, Any]:
    """A view as a report has it."""
    view = view_of(shown(vae, data), points=4, most_products=inf) | {"encoder": pack_encoder(vae)}
    if data is not None:
        some = data.images[data.held_out[view["codes"]["index"]]]
        view |= {"images": base64_of(some, "u1"), "images_dtype": "uint8"}
    return view | more


def ask(page: Any, view: dict[str, Any], call: str) -> Any:
    """What a call of an embedded source gives, arrays as lists; an error as its message."""
    script = f"""async (text) => {{
        const source = new EmbeddedSource(JSON.parse(text));
        const plain = (key, value) => ArrayBuffer.isView(value) ? Array.from(value) : value;
        return JSON.stringify(await ({call})(source).catch((error) => error.message), plain);
    }}"""
    return json.loads(page.evaluate(script, json.dumps(view)))


def file_of(picture: np.ndarray | bytes) -> str:
    """JavaScript that makes a file of a picture."""
    content = io.BytesIO(picture if isinstance(picture, bytes) else b"")
    if not isinstance(picture, bytes):
        Image.fromarray(picture).save(content, "PNG")
    return f"new File([Uint8Array.from(atob('{b64encode(content.getvalue()).decode()}'), (c) => c.charCodeAt(0))], 'x')"


def test_an_embedded_run_decodes_and_draws(served: Any, vae: BetaVAE) -> None:
    z = torch.randn(2, 3)
    view = embedded(vae, None)
    decoded = ask(served, view, f"(source) => source.decodeMany({z.tolist()})")
    assert_close(torch.tensor(decoded).reshape(2, 1, 16, 16), images_of(vae, z), **NEAR)
    one, again, other = (
        ask(served, view, f"(source) => source.decode([0, 0, 0], {{draw: true, seed: {seed}}})") for seed in (1, 1, 2)
    )
    assert one == again != other
    assert {*one} == {0, 1}


def test_an_embedded_run_starts_from_its_own_data(served: Any, vae: BetaVAE, data: Dataset) -> None:
    view = embedded(vae, data)
    places = view["codes"]["index"]
    for asked, number in ((places[1], places[1]), (places[1] + 1, places[2]), (places[-1] + 1, places[0])):
        start = ask(served, view, f"(source) => source.start({{kind: 'image', index: {asked}}})")
        datum = data.images[data.held_out[number]][None]
        code = encode(vae, datum)
        assert_close(torch.tensor([start["z"], start["scale"]]), torch.cat([code.loc, code.scale]))
        assert_close(torch.tensor(start["x"]), pixels(datum).flatten())
        assert (start["index"], start["label"]) == (number, ["a", "<b>", "c"][data.labels[data.held_out[number]]])
        assert start["x"] == ask(served, view, f"(source) => source.image({number})")
    prior = ask(served, view, "(source) => source.start({kind: 'prior'})")
    assert prior["z"] == prior_mean(vae).tolist()
    drawn = [
        ask(served, view, f"(source) => source.start({{kind: 'random-z', seed: {seed}}})")["z"] for seed in (1, 1, 2)
    ]
    assert drawn[0] == drawn[1] != drawn[2]
    assert "no data" in ask(served, embedded(vae, None), "(source) => source.start({kind: 'image'})")


def test_an_embedded_run_takes_a_picture_of_ones_own(served: Any, vae: BetaVAE) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (16, 16, 3)).astype(np.uint8)
    grey = torch.from_numpy(np.asarray(Image.fromarray(picture).convert("L")).copy())[None, None]
    start = ask(served, embedded(vae, None), f"(source) => source.upload({file_of(picture)})")
    assert_close(torch.tensor(start["x"]), pixels(grey).flatten(), atol=1 / 255, rtol=0)  # rounded to bytes by Pillow
    code = encode(vae, grey)
    assert_close(torch.tensor([start["z"], start["scale"]]), torch.cat([code.loc, code.scale]), atol=0.02, rtol=0.02)
    wide = np.full((20, 60, 3), 255, np.uint8)
    wide[:, 20:40] = 0  # the square at the centre
    assert max(ask(served, embedded(vae, None), f"(source) => source.upload({file_of(wide)})")["x"]) == 0
    broken = ask(served, embedded(vae, None), f"(source) => source.upload({file_of(b'hello')})")
    assert broken == "Your picture is damaged or no image"


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_sweeps_stand_for_a_decoder_that_is_not_there(dtype: str, served: Any, vae: BetaVAE) -> None:
    start, values = prior_mean(vae), torch.linspace(-3, 3, 5)
    pictures = images_of(vae, sweep(start[None], [2, 0], values)[0])
    packed = base64_of((255 * pictures).round(), "u1") if dtype == "uint8" else base64_of(pictures)
    sweeps = {"start": start.tolist(), "latents": [2, 0], "values": values.tolist(), "pictures": packed, "dtype": dtype}
    view = embedded(vae, None, decoder=None, sweeps=sweeps)
    for z, row, column in (([0, 0, 2.9], 0, 4), ([-1.4, 9, 0.5], 1, 1), ([0, 0, 0], 0, 2)):
        decoded: Tensor = torch.tensor(ask(served, view, f"(source) => source.decode({z})"))
        assert_close(decoded, pictures[row, column].flatten(), atol=1 / 255, rtol=0)


def test_names_of_an_embedded_run_last_until_it_is_closed(served: Any, vae: BetaVAE) -> None:
    renamed = ask(served, embedded(vae, None), "async (s) => [await s.rename(1, 'a'), await s.rename(1, '')]")
    assert [answer["names"] for answer in renamed] == [{"1": "a"}, {}]
    assert "until this page is closed" in renamed[0]["note"]


@pytest.fixture
def loud_page(browser: Any) -> Iterator[Any]:
    """A page whose console may say what was refused."""
    context = browser.new_context()
    yield context.new_page()
    context.close()


def test_a_server_that_has_ended_is_said_and_the_page_goes_on(loud_page: Any, vae: BetaVAE, data: Dataset) -> None:
    page = loud_page
    with explore(vae, data) as explorer:
        page.goto(explorer.url)
        page.evaluate("explorer.settled()")
    message = "explorer.panels[0].source.start({kind: 'prior'}).catch((error) => error.message)"
    assert "The explorer has ended" in page.evaluate(message)
    assert len(page.evaluate("explorer.panels[0].source.decode(new Float32Array(3)).then((x) => Array.from(x))")) == 256


def test_no_script_runs_but_the_pages_own(loud_page: Any, vae: BetaVAE) -> None:
    page = loud_page
    with explore(vae) as explorer:
        page.goto(explorer.url)
        page.evaluate("explorer.settled()")
        refused = page.evaluate("""async () => {
            const refused = [];
            document.addEventListener('securitypolicyviolation', (event) => refused.push(event.effectiveDirective));
            document.body.insertAdjacentHTML('beforeend', '<img src=x onerror="window.mark = 1">');
            const script = document.createElement('script');
            script.textContent = 'window.mark = 1';
            document.body.append(script);
            await fetch('http://127.0.0.1:1/').catch(() => null);
            await new Promise((resume) => setTimeout(resume, 200));
            return [refused.sort(), window.mark];
        }""")
    assert refused == [["connect-src", "img-src", "script-src-attr", "script-src-elem"], None]
