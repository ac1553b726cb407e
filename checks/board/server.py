"""The board in a browser of this machine: pages, and what changes in them as it does (server-sent
events).

It listens on loopback only, where any page of any site may still knock, and any other person of
this machine: an address that names another host is refused, and so is a page of elsewhere; the
address of the board holds a word that cannot be guessed. It only ever reads.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import unquote

import msgspec

from checks.board.board import Board, News
from checks.board.pages import Pages
from checks.errors import UsageError

LOOPBACK = "127.0.0.1"
_STREAMS = 24  # pages that are open at once: each holds a thread
_PATIENCE = 20.0  # seconds for a browser to take what it is sent
_SILENCE = 10.0  # seconds after which one says that one is still there
_HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = False  # elsewhere than on POSIX, it would share somebody else's port

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that leaves is no trouble of anybody's."""


@contextlib.contextmanager
def serving(
    board: Board, pages: Pages, port: int = 0, token: str = "", *, forwarded: bool = False
) -> Iterator[str]:
    """The address of the board, for as long as the context lasts. `port` 0: any that is free;
    `token`: the word of the address, "" for a new one. `forwarded`: browsers come through a tunnel,
    whose own port is in the address that they ask for. Raises UsageError."""
    token = token or new_token()
    handler = type(
        "Handler",
        (_Handler,),
        {
            "board": board,
            "pages": pages,
            "token": token,
            "streams": _streams(),
            "forwarded": forwarded,
        },
    )
    try:
        server = _Server((LOOPBACK, port), handler)
    except OSError as error:
        raise UsageError(
            f"Le port {port} de ce poste ne peut pas servir : {error.strerror or error}.",
            "Choisissez-en un autre avec --port, ou retirez cette option.",
        ) from error
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True, name="page")
    thread.start()
    try:
        yield address(server.server_port, token)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def new_token() -> str:
    """A word that cannot be guessed."""
    return secrets.token_urlsafe(24)


def address(port: int, token: str) -> str:
    """Where a browser of this machine finds the board."""
    return f"http://{LOOPBACK}:{port}/{token}/"


def _streams() -> threading.BoundedSemaphore:
    return threading.BoundedSemaphore(_STREAMS)


class _Handler(BaseHTTPRequestHandler):
    server_version, sys_version = "cahier", ""
    timeout = _PATIENCE
    board: ClassVar[Board]
    pages: ClassVar[Pages]
    token: ClassVar[str]
    streams: ClassVar[threading.BoundedSemaphore]
    forwarded: ClassVar[bool]

    def do_GET(self) -> None:
        """Answer a browser of ours."""
        if not self._is_ours():
            self._say(HTTPStatus.FORBIDDEN, "Cette adresse n’est pas celle du tableau.")
            return
        token, _, rest = self.path.partition("?")[0].lstrip("/").partition("/")
        if not secrets.compare_digest(token.encode("utf-8", "replace"), self.token.encode()):
            self._say(HTTPStatus.NOT_FOUND, "Cette adresse n’est pas celle du tableau.")
        elif rest == "":
            self._page(self.pages.board)
        elif rest == "projeter":
            self._page(self.pages.slide)
        elif rest in ("flux", "flux-sans-nom"):
            self._stream(named=rest == "flux")
        elif rest.startswith("personne/"):
            self._person(unquote(rest.removeprefix("personne/")))
        else:
            self._say(HTTPStatus.NOT_FOUND, "Il n’y a rien à cette adresse.")

    def _is_ours(self) -> bool:
        """Whether it is asked for under our own name, by nobody or by a page of ours: a name of
        somebody else's may lead here too (DNS rebinding)."""
        host, origin = self.headers.get("Host", ""), self.headers.get("Origin")
        name, _, port = host.rpartition(":")
        ours = str(self.connection.getsockname()[1])
        return (
            name in (LOOPBACK, "localhost")
            and (port == ours or (self.forwarded and port.isdecimal()))
            and origin in (None, f"http://{host}")
            and self.headers.get("Sec-Fetch-Site", "none") in ("none", "same-origin")
        )

    def _person(self, identifier: str) -> None:
        found = self.board.person(identifier)
        if found is None:
            self._say(HTTPStatus.NOT_FOUND, "Cette personne n’est pas dans la liste.")
        else:
            self._write(self.pages.person(*found), "text/html; charset=utf-8")

    def _page(self, page: tuple[bytes, str]) -> None:
        content, policy = page
        self._write(content, "text/html; charset=utf-8", policy)

    def _say(self, status: HTTPStatus, words: str) -> None:
        self._write(f"{words}\n".encode(), "text/plain; charset=utf-8", status=status)

    def _write(
        self,
        content: bytes,
        media: str,
        policy: str = "default-src 'none'",
        status: HTTPStatus = HTTPStatus.OK,
    ) -> None:
        self._begin(status, media, policy)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _begin(self, status: HTTPStatus, media: str, policy: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media)
        self.send_header("Content-Security-Policy", policy)
        for name, value in _HEADERS.items():
            self.send_header(name, value)

    def _stream(self, *, named: bool) -> None:
        """What the board says, then what changes of it, until the browser leaves."""
        if not self.streams.acquire(blocking=False):
            self._say(HTTPStatus.SERVICE_UNAVAILABLE, "Trop de pages sont ouvertes.")
            return
        try:
            self._begin(HTTPStatus.OK, "text/event-stream", "default-src 'none'")
            self.end_headers()
            self.wfile.write(b"retry: 1000\n\n")
            version = 0
            while not self.board.is_over:
                news = self.board.news(version)
                told = b": rien de neuf\n\n"
                if news.version != version:
                    told = b"data: " + _told(news, named=named) + b"\n\n"
                version = news.version
                self.wfile.write(told)
                self.board.wait(version, _SILENCE)
        except OSError:
            pass  # the browser has left
        finally:
            self.streams.release()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the terminal is the teacher's."""


def _told(news: News, *, named: bool) -> bytes:
    """News as JSON, on one line; those that everybody may see have nobody's row, nor anybody's own
    words."""
    told = msgspec.to_builtins(news)
    if not named:
        told["lost"] = bool(news.lost)
        del told["rows"]
        for sentence in told["sentences"]:
            del sentence["findings"]
    return msgspec.json.encode(told)
