"""Whatever else is asked of the explorer's server is answered with a line, or refused."""

from __future__ import annotations

import http.client
import json
import socket
import struct
import zlib
from pathlib import Path

import pytest
import torch
from asking import ask, do, floats, picture, refused

from pyro_bvae.codes import encode
from pyro_bvae.datasets import pixels
from pyro_bvae.datasets.own_files import data_from
from pyro_bvae.pages import Explorer
from pyro_bvae.runs.run import Run


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
