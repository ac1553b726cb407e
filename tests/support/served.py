"""A folder as a web server publishes it."""

from __future__ import annotations

import contextlib
import functools
import io
import threading
from collections.abc import Iterator, Mapping
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class _Quiet(SimpleHTTPRequestHandler):
    def __init__(self, *args: Any, instead: Mapping[str, bytes], **more: Any) -> None:
        self._instead = instead
        super().__init__(*args, **more)

    def send_head(self) -> Any:
        """The beginning of an answer, and what holds the rest."""
        content = self._instead.get(self.path)
        if content is None:
            return super().send_head()
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(self.path))
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        return io.BytesIO(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextlib.contextmanager
def served(folder: Path, instead: Mapping[str, bytes] | None = None) -> Iterator[str]:
    """The address where this machine serves it; `instead` is what some paths hold there."""
    handler = functools.partial(_Quiet, directory=str(folder), instead=instead or {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
