"""The grade book of Open edX: its LTI services (lti-consumer-xblock), in a process and an
environment of their own. `requirements.lock` has what they are made of; to write it again:

    cd tests/support/open_edx && uv pip compile requirements.in --output-file requirements.lock \
        --universal --python-version 3.11 --generate-hashes --no-header
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import http.client
import json
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

from filelock import FileLock

from checks.moodle.link import Link
from tests.support.grade_book import Answer, Asked, Column, GradeBook, Score, private_key

_HERE = Path(__file__).parent
_LOCK = _HERE / "requirements.lock"
_UV = (sys.executable, "-m", "uv", "--no-progress", "--quiet")
_SENT = ("Authorization", "Accept", "Content-Type", "Host")
_SAID = ("Content-Type", "Link")
_ENDS = 5.0  # seconds


class NotInstalled(Exception):
    """Its packages cannot be had."""


def environment(folder: Path) -> Path:
    """The Python of an environment that has its packages, made there the first time. Raises
    NotInstalled."""
    place, made = folder / "environment", folder / "made-of"
    wanted = hashlib.sha256(f"{sys.version}\n{_LOCK.read_text()}".encode()).hexdigest()
    with FileLock(folder / "lock"):
        if not made.exists() or made.read_text() != wanted:
            made.unlink(missing_ok=True)
            shutil.rmtree(place, ignore_errors=True)
            _uv("venv", "--python", sys.executable, str(place))
            _uv("pip", "install", "--python", str(place), "--require-hashes", "-r", str(_LOCK))
            made.write_text(wanted)
    return place / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _uv(*words: str) -> None:
    done = subprocess.run([*_UV, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotInstalled(done.stderr.strip())


class Server:
    """The process, for many courses."""

    def __init__(self, port: int, log: Path) -> None:
        self._port, self._log = port, log

    def ask(self, method: str, address: str, body: bytes, headers: dict[str, str]) -> Answer:
        """What it answers."""
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self._port)) as connection:
            connection.request(method, address, body, headers)
            answer = connection.getresponse()
            assert answer.status < 500, f"{method} {address}\n{_end_of(self._log)}"
            said = {name: text for name in _SAID if (text := answer.headers.get(name))}
            return Answer(answer.status, answer.read(), said)

    def do(self, what: str, **words: object) -> Any:
        """What a person does in its pages."""
        answer = self.ask("POST", f"/tests/{what}", json.dumps(words).encode(), {})
        assert answer.code == 200, answer.body
        return json.loads(answer.body)


@contextlib.contextmanager
def started(python: Path, log: Path) -> Iterator[Server]:
    """The process while the context lasts; what it complains of is in the log."""
    # a second start should not compile Django again
    told = {name: text for name, text in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with (
        log.open("wb") as complaints,
        subprocess.Popen(
            [python, _HERE / "server.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            env=told,
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            port = process.stdout.readline()
            assert port, f"Open edX’s services do not start:\n{_end_of(log)}"
            yield Server(int(port), log)
        finally:
            process.stdin.close()
            try:
                process.wait(_ENDS)
            except subprocess.TimeoutExpired:
                process.kill()


def _end_of(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-4000:]


class OpenEdx(GradeBook):
    """Its people are known by their address alone; a score as old as another is refused (400), a
    token that is over too (403), and all results of a column are told, whoever is asked for."""

    services: ClassVar = {
        "token": "/api/lti_consumer/v1/token/[^/]+",
        "memberships": "/api/lti_consumer/v1/lti/[0-9]+/memberships",
        "lineitems": "/api/lti_consumer/v1/lti/[0-9]+/lti-ags",
        "results": "/api/lti_consumer/v1/lti/[0-9]+/lti-ags/[0-9]+/results",
        "scores": "/api/lti_consumer/v1/lti/[0-9]+/lti-ags/[0-9]+/scores",
    }

    def __init__(self, server: Server) -> None:
        super().__init__()
        self._server = server
        offered = server.do("offer", key=private_key().decode())
        self._issuer, self._client = offered["issuer"], offered["client"]
        self._passport = offered["passport"]
        self._do = functools.partial(server.do, course=offered["course"])
        self._services = f"{self.address}/api/lti_consumer/v1/lti/{offered['course']}"
        self.enrol((1, 2, 3))

    @property
    def link(self) -> Link:
        return Link(
            issuer=self._issuer,
            client=self._client,
            tokens=f"{self.address}/api/lti_consumer/v1/token/{self._passport}",
            line_items=f"{self._services}/lti-ags",
            members=f"{self._services}/memberships",
        )

    def serve(self, asked: Asked) -> Answer:
        address = f"{asked.path}?{asked.query}" if asked.query else asked.path
        headers = {name: asked.headers[name] for name in _SENT if name in asked.headers}
        return self._server.ask(asked.method, address, asked.body, headers)

    def user(self, number: int) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_OID, str(number)))

    def trust(self, public_key: str | None) -> None:
        self._do("trust", key=public_key or "")

    def enrol(self, numbers: Iterable[int]) -> None:
        members = [
            {"id": number, "external": self.user(number), "email": f"e{number}@exemple.fr"}
            for number in numbers
        ]
        self._do("enrol", members=members)

    def tokens_last(self, seconds: int) -> None:
        self._server.do("tokens_last", client=self._client, seconds=seconds)

    def columns(self) -> Sequence[Column]:
        return [Column(label, Fraction(maximum)) for label, maximum in self._do("columns")]

    def remove_columns(self) -> None:
        self._do("remove_columns")

    def shown(self, lab: str, number: int) -> Fraction | None:
        points = self._do("shown", resource=f"cahier-{lab}", user=self.user(number))
        return None if points is None else Fraction(str(points))

    def write(self, lab: str, number: int, points: Fraction, at: datetime) -> None:
        where = {"resource": f"cahier-{lab}", "user": self.user(number)}
        self._do("write", **where, points=float(points), at=at.isoformat())

    def taken(self) -> Sequence[Score]:
        return [
            Score(
                column=score["column"],
                user=score["user"],
                points=Fraction(str(score["points"])),
                maximum=Fraction(str(score["maximum"])),
                at=datetime.fromisoformat(score["at"]),
                progress=score["progress"],
            )
            for score in self._do("taken")
        ]

    def forget_scores(self) -> None:
        self._do("forget_scores")
