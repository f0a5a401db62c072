"""The server of a page: one page, and what its script asks for, on this machine alone.

    GET  /                    the page
    POST /api/0/decode        {"codes": [[0, 1, ...]], "draw": false, "seed": 0}   float32, little-endian; also
                              {"given": "image-5-0", "choices": {"y": 3}}          see `Session.decode`
    POST /api/0/start         {"kind": "image", "index": 5}                        JSON, see `Session.start`
    POST /api/0/image         {"index": 5}                                         float32, little-endian
    POST /api/0/upload        the bytes of a picture                               JSON, see `Session.upload`
    POST /api/0/name          {"latent": 3, "name": "thickness"}                   JSON, see `Session.name`

The number is that of the run. There is nothing else, and no path of the disk is served. It listens on 127.0.0.1, and
answers no request that names another host, as a page elsewhere could make a browser send one by letting its own name
lead here (DNS rebinding), and none that comes from a page of another origin.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from ..files import parsed_json
from ..settings.words import one_line
from .session import Session

__all__ = ["HOST", "MOST_BYTES", "PageServer"]

HOST = "127.0.0.1"
OWN_NAMES = ("127.0.0.1", "localhost")
MOST_BYTES = 20 * 2**20  # of an upload
MOST_JSON_BYTES = 8 * 2**20
MOST_DISCARDED = 4 * MOST_BYTES
ACTIONS = {  # of a session, with what they take
    "decode": ("codes", "draw", "seed", "given", "choices"),
    "image": ("index",),
    "name": ("latent", "name"),
    "start": ("kind", "index", "seed"),
}
PATIENCE = 60.0  # seconds, after which a connection that sends nothing is closed
HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class RefusedError(Exception):
    """A request that is not answered: its status, and a line that says why."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(why)
        self.status = status


class PageServer(ThreadingHTTPServer):
    """Serves a page, and the sessions of the runs on it, a thread a connection.

    Args:
        port: Of 127.0.0.1; 0 takes a free one.
        page: Makes the page, each time that it is asked for.
        sessions: One a run.

    Raises:
        OSError: The port is taken, or not ours to take.
    """

    daemon_threads = True

    def __init__(self, port: int, page: Callable[[], str], sessions: Sequence[Session]) -> None:
        self.page, self.sessions = page, sessions
        self._open: set[socket.socket] = set()
        super().__init__((HOST, port), Connection)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer a connection in a thread of its own."""
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """End a connection."""
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a tab that was closed while it was answered."""

    def end(self) -> None:
        """Stop, and close the connections that browsers hold open."""
        self.shutdown()
        self.server_close()
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:  # it has just ended by itself
                continue


class Connection(BaseHTTPRequestHandler):
    """Answers the requests of one connection."""

    server: PageServer
    protocol_version = "HTTP/1.1"  # a connection is kept, which saves a millisecond a move
    server_version, sys_version = "pyro-bvae", ""
    timeout = PATIENCE
    disable_nagle_algorithm = True
    wbufsize = -1  # an answer is one packet, if it fits

    def do_GET(self) -> None:
        """Send the page."""
        self._answer(self._page)

    def do_POST(self) -> None:
        """Do what the page's script asks for."""
        self._answer(self._action)

    def _answer(self, make: Callable[[], bytes | str | dict[str, Any]]) -> None:
        """Send what is made, or one line that says why not."""
        try:
            self._check_sender()
            content = make()
        except RefusedError as refusal:
            self.close_connection = True  # what it carries must not be taken for another request
            self._send(refusal.status, {"error": str(refusal)})
            self._discard()
        except (ConnectionError, TimeoutError):
            raise
        except ValueError as error:
            self._send(HTTPStatus.BAD_REQUEST, {"error": one_line(str(error))})
        except Exception as error:  # of a program of one's own: the page says it, and goes on
            reason = one_line(f"{type(error).__name__}: {str(error).partition('Trace Shapes:')[0]}")
            self._send(HTTPStatus.INTERNAL_SERVER_ERROR, {"error": f"the model cannot do that: {reason}"})
        else:
            self._send(HTTPStatus.OK, content)

    def _check_sender(self) -> None:
        """Refuse a request that another host or page has made a browser send."""
        hosts = self.headers.get_all("Host", [])
        if len(hosts) != 1 or not re.fullmatch(rf"({'|'.join(map(re.escape, OWN_NAMES))})(:\d+)?", hosts[0]):
            raise RefusedError(HTTPStatus.FORBIDDEN, f"this server answers to {' and '.join(OWN_NAMES)} alone")
        origins = self.headers.get_all("Origin", [])
        if any(origin != f"http://{hosts[0]}" for origin in origins):
            raise RefusedError(HTTPStatus.FORBIDDEN, "this server answers its own page alone")

    def _page(self) -> str:
        if urlsplit(self.path).path != "/":
            raise RefusedError(HTTPStatus.NOT_FOUND, "there is nothing here: the page is at /")
        return self.server.page()

    def _action(self) -> bytes | dict[str, Any]:
        match = re.fullmatch(r"/api/([0-9]{1,3})/([a-z]+)", self.path)
        number, action = (int(match[1]), match[2]) if match else (-1, "")
        if not 0 <= number < len(self.server.sessions) or action not in (*ACTIONS, "upload"):
            raise RefusedError(HTTPStatus.NOT_FOUND, "there is nothing here")
        session = self.server.sessions[number]
        if action == "upload":
            return session.upload(self._body(MOST_BYTES))
        try:
            asked = parsed_json(self._body(MOST_JSON_BYTES).decode())
        except (ValueError, RecursionError) as error:
            raise ValueError("the request is no JSON") from error
        if not isinstance(asked, dict):
            raise ValueError("the request is no JSON object")
        given = {name: asked[name] for name in ACTIONS[action] if name in asked}
        answer: bytes | dict[str, Any] = getattr(session, action)(**given)
        return answer

    def _body(self, most: int) -> bytes:
        """What the request carries.

        Raises:
            RefusedError: It does not say how much that is, or it is more than may be.
        """
        length = self._length()
        if length is None:
            raise RefusedError(HTTPStatus.LENGTH_REQUIRED, "the request does not say how long it is")
        if length > most:
            raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"that is larger than {most >> 20} MB")
        body = self.rfile.read(length)
        if len(body) < length:
            raise ConnectionError("the request ended early")
        return body

    def _length(self) -> int | None:
        """How many bytes the request carries; None where it does not say so."""
        lengths = self.headers.get_all("Content-Length", [])
        says = (
            len(lengths) == 1 and re.fullmatch(r"[0-9]{1,15}", lengths[0]) and "Transfer-Encoding" not in self.headers
        )
        return int(lengths[0]) if says else None

    def _discard(self) -> None:
        """Read what a refused request carries, so that its sender comes to read the answer."""
        self.wfile.flush()
        left = min(self._length() or 0, MOST_DISCARDED)
        while left > 0 and (part := self.rfile.read(min(left, 2**16))):
            left -= len(part)

    def _send(self, status: HTTPStatus, content: bytes | str | dict[str, Any]) -> None:
        kinds = {bytes: "application/octet-stream", str: "text/html; charset=utf-8", dict: "application/json"}
        text = json.dumps(content, allow_nan=False) if isinstance(content, dict) else content
        body = text.encode() if isinstance(text, str) else text
        self.send_response(status)
        for name, value in {"Content-Type": kinds[type(content)], "Content-Length": len(body), **HEADERS}.items():
            self.send_header(name, str(value))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002
        """Answer what is no request, or none of a kind that is answered, in a line too."""
        self.close_connection = True
        self._send(HTTPStatus(code), {"error": one_line(message or HTTPStatus(code).phrase)})

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002
        """Print nothing."""
