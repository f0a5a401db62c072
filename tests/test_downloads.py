"""Downloads go on where they stopped, and only what is right gets its name."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from pyro_bvae.datasets.downloads import download, published

CONTENT = np.random.default_rng(0).integers(0, 256, 3_000_000).astype(np.uint8).tobytes()
MD5 = hashlib.md5(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Serves CONTENT; /short breaks off, /whole knows no ranges, anything else is missing."""

    def do_GET(self) -> None:
        if self.path not in ("/file", "/short", "/whole"):
            return self.send_error(404)
        first = int((self.headers.get("Range") or "bytes=0-")[6:-1]) if self.path != "/whole" else 0
        if first >= len(CONTENT):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(CONTENT)}")
            return self.end_headers()
        self.server.asked.append(first)
        self.send_response(206 if first else 200)
        self.send_header("Content-Length", str(len(CONTENT) - first))
        self.end_headers()
        self.wfile.write(CONTENT[first : 2_000_000 if self.path == "/short" else None])
        return None

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked = []
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_file_arrives_with_progress(server: ThreadingHTTPServer, tmp_path: Path) -> None:
    told = []
    download(f"{server.url}/file", tmp_path / "new" / "a.tar", md5=MD5, progress=lambda *what: told.append(what))
    assert (tmp_path / "new" / "a.tar").read_bytes() == CONTENT
    assert told[-1] == ("downloading a.tar", len(CONTENT), len(CONTENT))
    assert len(told) > 1


def test_a_download_that_broke_off_goes_on(server: ThreadingHTTPServer, tmp_path: Path) -> None:
    with pytest.raises(
        OSError, match=r"cannot download .*2,?000,?000.*; what has arrived is kept in .*the same command"
    ):
        download(f"{server.url}/short", tmp_path / "a.tar", md5=MD5)
    assert not (tmp_path / "a.tar").exists()
    download(f"{server.url}/file", tmp_path / "a.tar", md5=MD5)
    assert (tmp_path / "a.tar").read_bytes() == CONTENT
    assert server.asked == [0, 2_000_000]


@pytest.mark.parametrize(("where", "there"), [("whole", 1000), ("file", len(CONTENT))])
def test_servers_without_ranges_and_complete_parts_are_understood(
    server: ThreadingHTTPServer, where: str, there: int, tmp_path: Path
) -> None:
    (tmp_path / "a.tar.part").write_bytes(CONTENT[:there])
    download(f"{server.url}/{where}", tmp_path / "a.tar", md5=MD5)
    assert (tmp_path / "a.tar").read_bytes() == CONTENT


def test_a_wrong_checksum_is_told_and_the_file_does_not_stay(server: ThreadingHTTPServer, tmp_path: Path) -> None:
    with pytest.raises(OSError, match=f"md5 {MD5}, expected 123: it was deleted"):
        download(f"{server.url}/file", tmp_path / "a.tar", md5="123")
    assert list(tmp_path.iterdir()) == []


def test_an_advisory_checksum_only_warns(server: ThreadingHTTPServer, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=f"md5 {MD5}, expected 123"):
        download(f"{server.url}/file", tmp_path / "a.tar", md5="123", advisory=True)
    assert (tmp_path / "a.tar").read_bytes() == CONTENT


def test_room_is_looked_for_before_anything_arrives(
    server: ThreadingHTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=2_000_000))
    with pytest.raises(OSError, match=r"no room for a\.tar\.part: 0\.00 GB are needed"):
        download(f"{server.url}/file", tmp_path / "a.tar")
    with pytest.raises(OSError, match=r"no room for b\.tar: 3\.00 GB are needed .* take fewer with `subsample`"):
        published(f"{server.url}/file", tmp_path / "b.tar", "b", room=3_000_000_000)
    assert [*tmp_path.glob("*.tar*")] == []
    assert len(server.asked) == 1


def test_what_has_arrived_needs_no_room_again(
    server: ThreadingHTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.tar.part").write_bytes(CONTENT[:2_000_000])
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=3_000_000))
    published(f"{server.url}/file", tmp_path / "a.tar", "a", md5=MD5, room=4_500_000)
    assert (tmp_path / "a.tar").read_bytes() == CONTENT
    assert server.asked == [2_000_000]


def test_a_missing_file_and_no_network_are_one_line(server: ThreadingHTTPServer, tmp_path: Path) -> None:
    for url in (f"{server.url}/nowhere", "http://127.0.0.1:1/file"):
        with pytest.raises(OSError, match=f"cannot download {url}"):
            download(url, tmp_path / "a.tar")
