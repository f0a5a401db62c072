"""The explorer's server gives what the library gives, to its own page alone, whatever else is asked of it."""

from __future__ import annotations

import http.client
import io
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import zlib
from base64 import b64decode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatch
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pyro
import pytest
import torch
from conftest import Cli
from PIL import Image
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import pyro_bvae
from pyro_bvae import BetaVAE, datasets, explore, fit, generation, load_run, traversal
from pyro_bvae.codes import encode
from pyro_bvae.compiled.randomness import ONE_THREAD
from pyro_bvae.datasets import Dataset, pixels
from pyro_bvae.datasets.own_files import data_from
from pyro_bvae.files import held_folder
from pyro_bvae.likelihoods import Gaussian, Standardised
from pyro_bvae.networks import NETWORKS
from pyro_bvae.pages import Explorer, document, session
from pyro_bvae.pages.packing import pack_decoder
from pyro_bvae.pages.views import _products
from pyro_bvae.runs.run import Run

STATIC = files("pyro_bvae.pages") / "static"


@pytest.fixture(scope="module")
def explorer(digits_run: Run) -> Iterator[Explorer]:
    with explore(digits_run.path) as explorer:
        yield explorer


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


def test_the_page_is_whole_and_loads_nothing_from_elsewhere(explorer: Explorer, digits_run: Run) -> None:
    status, content, headers = ask(explorer)
    text = content.decode()
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "{{" not in text.partition("<script")[0]
    assert not any(f'{attribute}="http' in text or f'{attribute}="//' in text for attribute in ("src", "href"))
    assert "default-src 'none'" in text
    (view,) = views(explorer)
    assert (view["title"], view["path"]) == ("digits", str(digits_run.path))
    assert (view["K"], view["shape"], view["dataset"], view["beta"]) == (10, [1, 28, 28], "digits", 2)
    assert view["kl"] == digits_run.history[-1]["held_out_kl_per_latent"]
    assert view["colourings"][0]["classes"] == [str(digit) for digit in range(10)]


def test_the_codes_of_a_view_are_those_of_the_held_out_data(explorer: Explorer, digits_run: Run) -> None:
    data = digits_run.dataset()
    points = views(explorer)[0]["codes"]
    codes = encode(digits_run.model, data.images[data.held_out[points["index"]]])
    assert points["count"] == len(data.held_out)
    torch.testing.assert_close(floats(points["mean"]).reshape(-1, 10), codes.loc)
    torch.testing.assert_close(floats(points["scale"]).reshape(-1, 10), codes.scale)


@pytest.mark.parametrize("draw", [False, True])
def test_codes_are_decoded_as_the_library_does(draw: bool, explorer: Explorer, digits_run: Run) -> None:
    for codes in ([[0] * 10], torch.randn(3, 10).tolist()):  # sliders at 0 are whole numbers
        expected = generation.images_of(digits_run.model, torch.tensor(codes, dtype=torch.float32), draw=draw, seed=7)
        torch.testing.assert_close(do(explorer, "decode", codes=codes, draw=draw, seed=7), expected.flatten())


def test_starts_are_those_of_traversals(explorer: Explorer, digits_run: Run) -> None:
    vae, data = digits_run.model, digits_run.dataset()
    held_out = data.images[data.held_out]
    image = do(explorer, "start", kind="image", index=5)
    expected = encode(vae, held_out[5:6])
    torch.testing.assert_close(torch.tensor([image["z"], image["scale"]]), torch.cat([expected.loc, expected.scale]))
    torch.testing.assert_close(floats(image["x"]), pixels(held_out[5]).flatten())
    assert (image["index"], image["label"]) == (5, str(data.labels[data.held_out[5]].item()))
    torch.testing.assert_close(do(explorer, "image", index=5), floats(image["x"]))
    for kind in ("prior", "random-z"):
        start = do(explorer, "start", kind=kind, seed=3)
        torch.testing.assert_close(torch.tensor([start["z"]]), traversal.base(vae, None, kind, seed=3).codes)
        assert start["x"] is start["index"] is start["scale"] is None


def picture(kind: str = "PNG", size: tuple[int, int] = (60, 40), mode: str = "RGB") -> bytes:
    random = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3)).astype(np.uint8)
    content = io.BytesIO()
    Image.fromarray(random).convert(mode).save(content, kind)
    return content.getvalue()


@pytest.mark.parametrize(
    ("kind", "mode"), [("PNG", "RGBA"), ("PNG", "L"), ("JPEG", "RGB"), ("WEBP", "RGB"), ("GIF", "P")]
)
def test_a_picture_of_ones_own_is_brought_to_the_shape_of_the_run(
    kind: str, mode: str, explorer: Explorer, digits_run: Run, tmp_path: Path
) -> None:
    content = picture(kind, mode=mode)
    (tmp_path / f"mine.{kind}").write_bytes(content)
    x, _ = data_from(tmp_path / f"mine.{kind}", (1, 28, 28), digits_run.config)
    status, answer, _ = ask(explorer, "/api/0/upload", content)
    start = json.loads(answer)
    assert status == 200, start
    torch.testing.assert_close(floats(start["x"]), pixels(x).flatten())
    torch.testing.assert_close(torch.tensor([start["z"]]), encode(digits_run.model, x).loc)
    assert "60×40, brought to 28×28 in grey" in start["note"]


def png_of(width: int, height: int) -> bytes:
    """A small PNG that says it is of that size."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(10**6)))
        + chunk(b"IEND", b"")
    )


POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n(/tmp/x) (w) file\nshowpage\n%%EOF\n"
NO_PICTURES = {
    "empty": (b"", "the file is empty"),
    "text": (b"hello", "its kind is not known"),
    "cut short": (picture()[:300], "is damaged or no image"),
    "markup": (b"<svg onload=alert(1)></svg>", "an SVG"),
    "a zip": (b"PK\x03\x04" + bytes(100), "zip or npz"),
    "a pickle": (b"\x80\x04\x95", "may run code"),
    "a program": (POSTSCRIPT, "of the kind EPS: save it as PNG or JPEG"),
    "gigapixels": (png_of(60_000, 60_000), "too large to be opened safely"),
    "megapixels": (png_of(9_000, 9_000), "more than are opened: scale it down"),
}


@pytest.mark.parametrize("name", NO_PICTURES)
def test_what_is_no_picture_is_answered_with_a_line(name: str, explorer: Explorer) -> None:
    content, message = NO_PICTURES[name]
    status, line = refused(explorer, "/api/0/upload", content)
    assert (status, message in line) == (400, True), line
    assert ask(explorer)[0] == 200


@pytest.mark.parametrize(
    ("action", "body", "message"),
    [
        ("decode", b"", "no JSON"),
        ("decode", b"\xff", "no JSON"),
        ("decode", b"[1, 2", "no JSON"),
        ("decode", b"[" * 100_000, "no JSON"),
        ("decode", b"[[0]]", "no JSON object"),
        ("decode", b'{"codes": [[NaN,0,0,0,0,0,0,0,0,0]]}', "no JSON"),
        ("decode", b'{"codes": [[1e999,0,0,0,0,0,0,0,0,0]]}', "no JSON"),
        ("decode", b'{"codes": [[1e300,0,0,0,0,0,0,0,0,0]]}', "numbers from -1,000,000 to 1,000,000"),
        ("decode", b'{"codes": [["nan",0,0,0,0,0,0,0,0,0]]}', "numbers from -1,000,000 to 1,000,000"),
        ("decode", b'{"codes": [[0, 0, 0]]}', "rows of 10 numbers"),
        ("decode", b'{"codes": [0,0,0,0,0,0,0,0,0,0]}', "rows of 10 numbers"),
        ("decode", b'{"codes": [[0,0,0,0,0,0,0,0,0,0], [0]]}', "rows of 10 numbers"),
        ("decode", b'{"codes": []}', "rows of 10 numbers"),
        ("decode", b'{"codes": {"a": [0]}}', "rows of 10 numbers"),
        ("decode", b'{"codes": "abc"}', "rows of 10 numbers"),
        ("decode", b"{}", "rows of 10 numbers"),
        ("decode", b'{"codes": [[0,0,0,0,0,0,0,0,0,0]], "seed": -1}', "seed is a whole number from 0 to"),
        ("decode", b'{"codes": [[0,0,0,0,0,0,0,0,0,0]], "seed": true}', "seed is a whole number from 0 to"),
        ("decode", json.dumps({"codes": [[0] * 10] * 30_000}).encode(), "at most 21,399"),
        ("start", b'{"kind": "imag"}', "prior, random-z or image, got 'imag'"),
        ("start", b'{"kind": "image", "index": 179}', "held-out image is a whole number from 0 to 178, got 179"),
        ("start", b'{"kind": "image", "index": -1}', "got -1"),
        ("start", b'{"kind": "image", "index": 1.0}', "got 1.0"),
        ("image", b'{"index": "../../etc/passwd"}', "got '../../etc/passwd'"),
        ("name", b'{"latent": 10, "name": "x"}', "latent is a whole number from 0 to 9, got 10"),
        ("name", b'{"name": "x"}', "latent is a whole number from 0 to 9, got None"),
        ("name", b'{"latent": 0, "name": ["x"]}', "a name is a text"),
    ],
    ids=range(27),
)
def test_a_request_that_makes_no_sense_is_answered_with_a_line(
    action: str, body: bytes, message: str, explorer: Explorer
) -> None:
    status, line = refused(explorer, f"/api/0/{action}", body)
    assert (status, message in line) == (400, True), line
    assert do(explorer, "decode", codes=[[0] * 10]).isfinite().all()


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"}, {"Host": "evil.example:80"}, {"Host": "127.0.0.1.evil.example"}, {"Host": ""},
        {"Host": "localhost:1@evil.example"}, {"Host": "0.0.0.0"}, {"Origin": "http://evil.example"},
        {"Origin": "null"}, {"Origin": "http://127.0.0.1:1"}, {"Origin": "https://127.0.0.1"}, {"Origin": ""},
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("body", [None, b'{"kind": "prior"}'])
def test_other_hosts_and_origins_are_refused(headers: dict[str, str], body: bytes | None, explorer: Explorer) -> None:
    path = "/" if body is None else "/api/0/start"
    status, line = refused(explorer, path, body, **headers)
    assert (status, "this server answers" in line) == (403, True), line


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.0.0.1:9000", "localhost:80"])
def test_the_page_may_come_through_a_tunnel(host: str, explorer: Explorer) -> None:
    assert ask(explorer, Host=host)[0] == 200
    assert ask(explorer, "/api/0/start", b"{}", Host=host, Origin=f"http://{host}")[0] == 200


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/etc/passwd", None), ("/../../../etc/passwd", None), ("/static/page.html", None), ("//", b"{}"),
        ("/page.html", None), ("/api/0/decode", None), ("/favicon.ico", None), ("/%2e%2e/%2e%2e/etc/passwd", None),
        ("/", b"{}"), ("/api/1/decode", b"{}"), ("/api/00/secret", b"{}"), ("/api/0/__init__", b"{}"),
        ("/api/0/view", b"{}"), ("/api/-1/decode", b"{}"), ("/api/0/decode/..", b"{}"), ("/api/0/decode?x", b"{}"),
    ],
    ids=str,
)  # fmt: skip
def test_there_is_nothing_else(path: str, body: bytes | None, explorer: Explorer) -> None:
    status, line = refused(explorer, path, body)
    assert (status, "there is nothing here" in line) == (404, True)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "X"])
def test_there_is_no_other_method(method: str, explorer: Explorer) -> None:
    status, content, headers = ask(explorer, "/", method=method)
    assert status == 501
    assert "Access-Control-Allow-Origin" not in headers
    assert b"error" in content
    assert ask(explorer, "/", method="HEAD")[:2] == (501, b"")


def raw(explorer: Explorer, request: bytes) -> bytes:
    """All that the server sends before it closes the connection."""
    with socket.create_connection(("127.0.0.1", explorer.port), timeout=30) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_a_body_that_is_too_long_or_of_no_length_is_refused(explorer: Explorer) -> None:
    def post(path: bytes, *lines: bytes, body: bytes = b"") -> bytes:
        return raw(explorer, b"\r\n".join([b"POST " + path + b" HTTP/1.1", b"Host: localhost", *lines, b"", body]))

    upload = b"/api/0/upload"
    assert b" 413 " in post(upload, b"Content-Length: %d" % (20 * 2**20 + 1), body=bytes(20 * 2**20 + 1))
    assert b" 413 " in post(b"/api/0/decode", b"Content-Length: %d" % (2**23 + 1), body=bytes(2**23 + 1))
    for lines in (
        [], [b"Content-Length: -1"], [b"Content-Length: 1e3"], [b"Content-Length: 2", b"Content-Length: 3"],
        [b"Transfer-Encoding: chunked"], [b"Content-Length: 2", b"Transfer-Encoding: chunked"],
    ):  # fmt: skip
        assert b" 411 " in post(upload, *lines, body=b"")[:20], lines
    assert b" 403 " in raw(explorer, b"GET / HTTP/1.0\r\n\r\n")
    assert b"error" in raw(explorer, b"\x16\x03\x01 hello\r\n\r\n")
    assert b" 414 " in raw(explorer, b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n")


def test_a_connection_serves_many_moves(explorer: Explorer) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", explorer.port, timeout=30)
    for _ in range(3):
        connection.request("POST", "/api/0/decode", json.dumps({"codes": [[0] * 10]}))
        first = connection.sock
        assert len(connection.getresponse().read()) == 4 * 28 * 28
        assert connection.sock is first
    connection.close()


def test_tabs_share_one_model(explorer: Explorer, digits_run: Run) -> None:
    codes = torch.randn(24, 10)
    state = torch.get_rng_state()

    def decode(number: int) -> Tensor:
        return do(explorer, "decode", codes=[codes[number].tolist()], draw=number % 2 == 0, seed=number)

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(decode, range(24)))
    assert torch.equal(state, torch.get_rng_state())
    for number, answer in enumerate(answers):
        expected = generation.images_of(digits_run.model, codes[number : number + 1], draw=number % 2 == 0, seed=number)
        torch.testing.assert_close(answer, expected.flatten())


def test_a_fit_in_the_same_process_is_said(explorer: Explorer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "PATIENCE", 0.1)
    with ONE_THREAD:  # as a fit has it
        for action, asked in (("decode", {"codes": [[0] * 10]}), ("start", {"kind": "image"}), ("start", {})):
            assert "busy with a fit" in refused(explorer, f"/api/0/{action}", json.dumps(asked).encode())[1]
        assert ask(explorer, "/api/0/upload", picture())[0] == 400
        assert do(explorer, "image", index=0).shape == (784,)
        assert ask(explorer)[0] == 200
    assert do(explorer, "start", kind="image")["z"]


def test_a_taken_port_is_one_line(explorer: Explorer, digits_run: Run) -> None:
    with pytest.raises(OSError, match=rf"^port {explorer.port} is taken: choose another, or none") as caught:
        explore(digits_run.path, port=explorer.port)
    assert "\n" not in str(caught.value)


def test_closing_lets_the_port_go_and_ends_connections(vae: BetaVAE) -> None:
    with explore(vae) as explorer:
        held = socket.create_connection(("127.0.0.1", explorer.port), timeout=30)
        held.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert held.recv(5) == b"HTTP/"
        assert explorer.url in repr(explorer)
        assert f'src="{explorer.url}"' in explorer._repr_html_()
    with held:
        while held.recv(2**20):
            pass
    explorer.close()
    explorer.wait()
    assert "closed" in repr(explorer)
    with explore(vae, port=explorer.port) as again:
        assert again.port == explorer.port


def small_run(path: Path | None = None, data: Dataset | None = None, **options: Any) -> Run:
    images = torch.randint(0, 256, (40, 1, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    data = data or Dataset("noise", images)
    vae = BetaVAE(data.shape, **({"latent_dim": 3, "hidden": (5,)} | options))
    return fit(vae, data, steps=2, compile=False, out=path)


def test_names_are_kept_beside_the_run_during_a_fit_too(tmp_path: Path) -> None:
    run = small_run(tmp_path / "run")
    with explore(run.path, run.dataset()) as explorer, held_folder(run.path):  # as a fit holds it
        assert do(explorer, "name", latent=2, name="  width\n of it ") == {"names": {"2": "width of it"}, "note": None}
        assert do(explorer, "name", latent=0, name="x" * 999)["names"]["0"] == "x" * 60
        assert do(explorer, "name", latent=0, name="")["names"] == {"2": "width of it"}
        assert views(explorer)[0]["names"] == {"2": "width of it"}
    assert json.loads((run.path / "names.json").read_text()) == {"2": "width of it"}
    assert load_run(run.path).latent_names == {2: "width of it"}
    assert {file.name for file in run.path.iterdir()} >= {"names.json", "config.json"}
    assert not list(run.path.glob(".partial-*"))


def test_two_explorers_of_a_run_see_each_others_names(tmp_path: Path) -> None:
    run = small_run(tmp_path / "run")
    with explore(run) as one, explore(run) as other:
        do(one, "name", latent=0, name="a")
        assert do(other, "name", latent=1, name="b")["names"] == {"0": "a", "1": "b"}
        assert views(one)[0]["names"] == {"0": "a", "1": "b"}


@pytest.mark.parametrize("content", [b"[1]", b"{", b'{"x": "y"}', b'{"1": 2}', b"\xff", b"[" * 10**5])
def test_damaged_names_are_left_alone_and_the_page_says_so(content: bytes, tmp_path: Path) -> None:
    run = small_run(tmp_path / "run")
    (run.path / "names.json").write_bytes(content)
    with explore(run) as explorer:
        assert "names.json" in views(explorer)[0]["names_note"]
        answer = do(explorer, "name", latent=1, name="mine")
        assert answer["names"] == {"1": "mine"}
        assert answer["note"].startswith("Names last until the explorer ends: ")
        assert views(explorer)[0]["names"] == {"1": "mine"}
        assert (run.path / "names.json").read_bytes() == content
        (run.path / "names.json").write_text('{"0": "mended"}')
        assert do(explorer, "name", latent=2, name="c") == {
            "names": {"0": "mended", "1": "mine", "2": "c"},
            "note": None,
        }
    (run.path / "names.json").write_bytes(content)
    with pytest.warns(UserWarning, match=r"without their names: .*names.json"):
        assert run.latent_names == {}


def test_names_in_a_folder_that_cannot_be_written_last_for_the_session(tmp_path: Path) -> None:
    run = small_run(tmp_path / "run")
    (run.path / "names.json").mkdir()  # which nobody can replace, root neither
    with explore(run) as explorer:
        answer = do(explorer, "name", latent=1, name="mine")
        assert answer["names"] == {"1": "mine"}
        assert "Names last until the explorer ends" in answer["note"]
        assert do(explorer, "name", latent=1, name="")["names"] == {}


def test_a_run_folder_that_is_gone_is_not_made_again(tmp_path: Path) -> None:
    run = small_run(tmp_path / "run")
    with explore(run) as explorer:
        run.path.rename(tmp_path / "elsewhere")
        assert "there is no folder" in do(explorer, "name", latent=1, name="mine")["note"]
    assert not run.path.exists()


def test_a_run_that_takes_the_place_of_another_has_no_names_of_that(tmp_path: Path) -> None:
    run = small_run(tmp_path / "run")
    (run.path / "names.json").write_text('{"0": "old"}')
    fit(run.model, run.dataset(), steps=2, compile=False, out=run.path, overwrite=True)
    assert load_run(run.path).latent_names == {}


@pytest.mark.parametrize(
    "name", ["<img src=x onerror=alert(1)>", "</script><script>alert(1)</script>", "<!--", "\ud800"]
)
def test_names_are_text_and_never_markup(name: str, tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (40, 1, 8, 8), generator=generator, dtype=torch.uint8)
    labels, factors = torch.arange(40) % 2, torch.arange(40)[:, None] % 3
    data = Dataset(name, images, labels=labels, label_names=[name, "b"], factors=factors, factor_names=[name])
    run = small_run(tmp_path / name.replace("/", "∕").encode("utf-8", "replace").decode(), data)
    with explore(run) as explorer:
        do(explorer, "name", latent=0, name=name)
        text = ask(explorer)[1].decode()
        assert "<img" not in text
        assert "<script>alert" not in text
        assert text.count("<!--") == 0
        (view,) = views(explorer)
    if name != "\ud800":
        assert (view["dataset"], view["colourings"][0]["classes"][0], view["names"]["0"]) == (name, name, name)
        assert (view["title"], view["colourings"][1]["name"]) == (run.path.name, name)


class Fourier(nn.Module):
    """A decoder of one's own."""

    def forward(self, z: Tensor) -> Tensor:
        return torch.sin(z @ torch.ones(3, 64)).unflatten(1, (1, 8, 8))


def folder_of_pictures(folder: Path) -> str:
    (folder / "pictures").mkdir(parents=True)
    for number in range(6):
        Image.new("RGB", (150, 200), (40 * number, 100, 200)).save(folder / "pictures" / f"{number}.png")
    return f"folder:{folder / 'pictures'}"


SHAPES: dict[str, dict[str, Any]] = {
    "one latent": {"latent_dim": 1},
    "many latents": {"latent_dim": 200},
    "a decoder of one's own": {"decoder": Fourier()},
    "a learned scale": {"likelihood": "gaussian-learned"},
}


@pytest.mark.parametrize("name", SHAPES)
def test_models_of_all_kinds_are_explored(name: str, images: Dataset) -> None:
    data = Dataset("noise", images.images[..., ::2, ::2])
    vae = BetaVAE(data.shape, **({"latent_dim": 3, "hidden": (5,)} | SHAPES[name]))
    with explore(vae, data) as explorer:
        (view,) = views(explorer)
        z = torch.randn(2, vae.latent_dim)
        torch.testing.assert_close(do(explorer, "decode", codes=z.tolist()), generation.images_of(vae, z).flatten())
        assert (len(view["kl"]), view["held_out"]) == (vae.latent_dim, len(data.held_out))
        assert (view["decoder"] is None) == (view["decoder_note"] is not None) == ("decoder" in SHAPES[name])
        assert "in memory" in do(explorer, "name", latent=0, name="x")["note"]


def test_large_colour_pictures_are_explored(tmp_path: Path) -> None:
    data = datasets.load(folder_of_pictures(tmp_path))
    assert data.shape == (3, 200, 150)
    with explore(BetaVAE(data.shape, 4, network="conv", hidden=(8,)), data) as explorer:
        assert len(do(explorer, "decode", codes=[[0] * 4])) == 3 * 200 * 150
        assert "faster by the package" in views(explorer)[0]["decoder_note"]
        assert ask(explorer, "/api/0/upload", picture(size=(150, 200)))[0] == 200
        status, line = refused(explorer, "/api/0/upload", picture(size=(60, 40)))
        assert (status, "60×40 with 3 channels, and those of the run are 150×200" in line) == (400, True), line


def test_vectors_are_explored_in_their_own_units() -> None:
    table = torch.randn(50, 4) * torch.tensor([1.0, 100.0, 1e-3, 5.0])
    data = Dataset("table", table, columns=["a", "b\n", "<c>", "d"])
    vae = BetaVAE((4,), 2, likelihood=Standardised.of(Gaussian((4,), mean_link="identity"), table))
    with explore(vae, data) as explorer:
        start = do(explorer, "start", kind="image", index=1)
        torch.testing.assert_close(floats(start["x"]), table[data.held_out[1]])
        assert views(explorer)[0]["columns"] == ["a", "b\\n", "<c>", "d"]
        assert "are vectors" in refused(explorer, "/api/0/upload", picture())[1]


def test_a_start_from_one_hot_labels_has_its_class(vae: BetaVAE, images: Dataset) -> None:
    labels = torch.eye(3, dtype=torch.long)[torch.arange(len(images)) % 3]
    data = Dataset("noise", images.images, labels=labels, label_names=["a", "b", "c"])
    with explore(vae, data) as explorer:
        label = do(explorer, "start", kind="image", index=1)["label"]
        assert label == ["a", "b", "c"][data.held_out[1] % 3]
        assert label == (colours := views(explorer)[0]["colourings"][0])["classes"][colours["values"][1]]


def test_a_tensor_is_data_all_of_which_can_be_started_from(vae: BetaVAE, x: Tensor) -> None:
    with explore(vae, x) as explorer:
        assert views(explorer)[0]["held_out"] == 7
        torch.testing.assert_close(do(explorer, "image", index=6), x[6].flatten())
    with pytest.raises(ValueError, match="the model is for data of 1×16×16, and data is of 1×8×16"):
        explore(vae, x[:, :, ::2])


def test_a_run_whose_data_have_moved_is_explored_without_them(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.random.default_rng(0).random((30, 1, 8, 8)))
    run = small_run(tmp_path / "run", datasets.load(f"npy:{tmp_path / 'x.npy'}"))
    (tmp_path / "x.npy").unlink()
    with explore(run.path) as explorer:
        (view,) = views(explorer)
        assert (view["held_out"], view["codes"], view["colourings"], view["dataset"]) == (0, None, [], "npy:x.npy")
        assert view["kl"] == run.history[-1]["held_out_kl_per_latent"]
        assert view["data_note"].startswith("without the data of the run: cannot read the run's data")
        assert explorer.notes == [view["data_note"]]
        assert "without the data" in refused(explorer, "/api/0/start", b'{"kind": "image"}')[1]
        assert do(explorer, "start", kind="random-z")["z"]
        assert ask(explorer, "/api/0/upload", picture())[0] == 200


def test_factors_name_the_latents_that_follow_them(runs: list[Run]) -> None:
    from pyro_bvae.scoring.report import factors_followed

    with explore(runs[0]) as explorer:
        (view,) = views(explorer)
    assert view["follows"] == factors_followed(runs[0].model, runs[0].dataset(), view["kl"])
    assert [colouring["name"] for colouring in view["colourings"]] == runs[0].dataset().factor_names


def test_two_runs_are_each_their_own(runs: list[Run], digits_run: Run, vae: BetaVAE) -> None:
    with explore([runs[0], digits_run]) as explorer:
        one, other = views(explorer)
        assert (one["K"], other["K"], one["shape"], other["shape"]) == (3, 10, [1, 16, 16], [1, 28, 28])
        assert len(do(explorer, "decode", run=0, codes=[[0] * 3])) == 16 * 16
        assert len(do(explorer, "decode", run=1, codes=[[0] * 10])) == 28 * 28
        assert all("not those of the run beside it" in view["data_note"] for view in (one, other))
    with explore([runs[0], runs[1]]) as explorer:
        assert [view["data_note"] for view in views(explorer)] == [None, None]
    with explore([runs[0], runs[0]]) as explorer:
        assert [view["title"] for view in views(explorer)] == [str(runs[0].path)] * 2
    with explore([vae, vae], torch.rand(4, 1, 16, 16)) as explorer:
        assert [view["title"] for view in views(explorer)] == ["data, β 4, 1", "data, β 4, 2"]
    for wrong in ([], [vae] * 3):
        with pytest.raises(ValueError, match=rf"one run, or two side by side, got {len(wrong)}"):
            explore(wrong)


def test_a_program_that_fails_is_answered_with_a_line(vae: BetaVAE) -> None:
    class Failing(BetaVAE):
        def decode(self, z: Tensor) -> pyro.distributions.TorchDistribution:
            if z.sum() > 5:
                raise RuntimeError("no\nsuch <code>")
            return super().decode(z)

    with explore(Failing((1, 16, 16), 3, hidden=(5,))) as explorer:
        status, line = refused(explorer, "/api/0/decode", b'{"codes": [[9, 9, 9]]}')
        assert (status, line) == (500, "the model cannot do that: RuntimeError: no such <code>")
        assert len(do(explorer, "decode", codes=[[0, 0, 0]])) == 256


def started(run: Path, *options: str, **environment: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-u", "-m", "pyro_bvae_cli", "explore", str(run), "--no-browser", *options]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment}
    )


@pytest.mark.parametrize(("stop", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_the_command_prints_the_address_and_ends_as_asked(stop: signal.Signals, code: int, digits_run: Run) -> None:
    assert digits_run.path is not None
    process = started(digits_run.path, SSH_CONNECTION="10.0.0.1 5000 10.0.0.2 2222", LOGNAME="me")
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(3)]
    port = int(lines[0].rpartition(":")[2].strip(" /\n"))
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/")
    assert connection.getresponse().status == 200
    process.send_signal(stop)
    _, errors = process.communicate(timeout=60)
    connection.close()
    assert process.returncode == code, errors
    assert f"ssh -N -L {port}:127.0.0.1:{port} -p 2222 me@10.0.0.2" in lines[1]
    assert "Traceback" not in errors


def test_mistakes_of_the_command_are_one_line(cli: Cli, explorer: Explorer, digits_run: Run, tmp_path: Path) -> None:
    taken = cli("explore", digits_run.path, "--port", explorer.port)
    assert (taken.exit_code, taken.stderr.splitlines()[-1]) == (
        1, f"Error: port {explorer.port} is taken: choose another, or none to get a free one"
    )  # fmt: skip
    assert "side by side: got 3" in cli("explore", *[digits_run.path] * 3).stderr
    assert "is not a run" in cli("explore", tmp_path).stderr
    assert "0 is not in the range" in cli("explore", digits_run.path, "--port", 0).stderr


def test_the_files_of_the_page_are_part_of_the_package() -> None:
    import tomllib

    root = Path(pyro_bvae.__file__).parents[1]
    patterns = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    names = [file.name for file in STATIC.iterdir()]
    assert {"page.html", "page.css", "sources.js"} <= {*names}
    assert all(any(fnmatch(f"static/{name}", each) for each in patterns["pyro_bvae.pages"]) for name in names)
    assert document.static("page.html").startswith("<!doctype html>")


def test_scripts_are_strict_end_no_element_and_share_no_name() -> None:
    import re

    scripts = {file.name: file.read_text() for file in STATIC.iterdir() if file.name.endswith(".js")}
    declared = [
        name
        for text in scripts.values()
        for name in re.findall(r"^(?:async )?(?:function|class|const|let) (\w+)", text, re.MULTILINE)
    ]
    assert sorted({name for name in declared if declared.count(name) > 1}) == []
    for name, text in scripts.items():
        assert "'use strict';" in text, name
        assert "</script" not in text.lower(), name
        assert "<!--" not in text, name
        assert len(text.splitlines()) <= 300, name


@pytest.mark.parametrize(
    ("shape", "options"),
    [((5,), {}), *[((3, 33, 18), {"network": name}) for name in NETWORKS], ((1, 28, 28), {"network": "conv"})],
)
def test_products_of_a_decoder_are_half_its_operations(shape: tuple[int, ...], options: dict[str, Any]) -> None:
    vae = BetaVAE(shape, 3, hidden=(7,), **options)
    with FlopCounterMode(display=False) as counter:
        vae.decoder(torch.zeros(1, 3))
    assert 2 * _products(pack_decoder(vae)["layers"]) == counter.get_total_flops()
