"""A platform's grade book as the tests see it, whichever platform keeps it: behind a front where a
test may answer in its place, with what a teacher and an administrator do by hand."""

from __future__ import annotations

import functools
import re
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Self

from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from checks.moodle.link import Link


@dataclass(frozen=True)
class Asked:
    """A request."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """What it is answered."""

    code: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})


@dataclass(frozen=True)
class Column:
    """A column, as it was made."""

    label: str
    maximum: Fraction


@dataclass(frozen=True)
class Score:
    """A score that the platform has taken."""

    column: str
    user: str
    points: Fraction
    maximum: Fraction
    at: datetime
    progress: str
    """How far the marking is, in the standard's words."""


Fault = Callable[[BaseHTTPRequestHandler, str, str], bool]
"""Whether a test answers by itself: a handler, the request's method, and the service it is for
(`token`, `lineitems`, `results`, `scores`, `memberships`)."""


def once(
    code: int, body: bytes = b"", kind: str = "application/json", service: str = "", times: int = 1
) -> Fault:
    """Answer so many requests to a service, to any by default, by oneself."""
    left = [times]

    def fault(handler: BaseHTTPRequestHandler, method: str, asked: str) -> bool:
        if not left[0] or service not in ("", asked):
            return False
        left[0] -= 1
        handler.say(Answer(code, body, {"Content-Type": kind}))  # type: ignore[attr-defined]
        return True

    return fault


class GradeBook(ABC):
    """The grade book of a course with three people, on an address of its own while the context
    lasts."""

    services: ClassVar[Mapping[str, str]]
    """The path of each service, as a pattern."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.asked: list[tuple[str, str]] = []
        """Each request, by method and path."""
        self.tokens = 0
        """How many times the platform was asked for one."""
        self.turn = threading.Lock()
        self.broken: list[Exception] = []
        """What went wrong in the platform itself: no test means it to."""
        self._front = _Front(("127.0.0.1", 0), _Handler)
        self._front.book = self
        self._thread = threading.Thread(
            target=self._front.serve_forever, args=(0.02,), daemon=True, name="front"
        )
        self.address = f"http://127.0.0.1:{self._front.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._front.shutdown()
        self._front.server_close()
        self._thread.join()
        if self.broken:
            raise ExceptionGroup("the platform itself is broken", self.broken)

    def service(self, path: str) -> str:
        """Which service a path is; "" for none."""
        found = (name for name, one in self.services.items() if re.fullmatch(one, path))
        return next(found, "")

    def users(self, people: int = 3) -> dict[str, str]:
        """The platform's user of each of so many learners, by their identifiers."""
        return {f"e{number}": self.user(number) for number in range(1, people + 1)}

    # -- what is particular to a platform ----------------------------------------------------------

    @property
    @abstractmethod
    def link(self) -> Link:
        """How a class is tied to it."""

    @abstractmethod
    def serve(self, asked: Asked) -> Answer:
        """The platform's own answer."""

    @abstractmethod
    def user(self, number: int) -> str:
        """The platform's own name of a learner."""

    # -- what an administrator does ----------------------------------------------------------------

    @abstractmethod
    def trust(self, public_key: str | None) -> None:
        """Paste the tool's key, or take it away."""

    @abstractmethod
    def enrol(self, numbers: Iterable[int]) -> None:
        """Have these learners in the course, and nobody else."""

    @abstractmethod
    def tokens_last(self, seconds: int) -> None:
        """How long the next tokens hold, whatever is said with them."""

    # -- what a teacher sees and does --------------------------------------------------------------

    @abstractmethod
    def columns(self) -> Sequence[Column]:
        """The columns that there are."""

    @abstractmethod
    def remove_columns(self) -> None:
        """Remove all columns."""

    @abstractmethod
    def shown(self, lab: str, number: int) -> Fraction | None:
        """What is shown of a lab for a learner."""

    @abstractmethod
    def write(self, lab: str, number: int, points: Fraction, at: datetime) -> None:
        """Write a mark by hand, out of the column's maximum."""

    @abstractmethod
    def taken(self) -> Sequence[Score]:
        """All scores that were ever taken from the tool, in their order."""

    @abstractmethod
    def forget_scores(self) -> None:
        """As if no score had ever come; what was taken remains told."""


@functools.cache
def private_key() -> bytes:
    """One for a whole run: to draw a key takes as long as the rest of a test."""
    key = generate_private_key(65537, 2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


class _Front(ThreadingHTTPServer):
    daemon_threads = True
    book: GradeBook

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever was killed has closed its connection."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Front

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def _answer(self, method: str) -> None:
        book = self.server.book
        path, _, query = self.path.partition("?")
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        if len(body) < length:
            self.close_connection = True
            return  # whoever was killed half-way has asked nothing
        service = book.service(path)
        with book.turn:
            book.asked.append((method, path))
            faults = list(book.faults)
        if any(fault(self, method, service) for fault in faults):
            return
        with book.turn:
            book.tokens += service == "token"
            try:
                answer = book.serve(Asked(method, path, query, dict(self.headers), body))
            except Exception as error:
                book.broken.append(error)
                answer = Answer(500, b"")
        self.say(answer)

    def say(self, answer: Answer) -> None:
        self.send_response(answer.code)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)
