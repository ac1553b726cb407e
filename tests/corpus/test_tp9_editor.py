"""What lab 9 says of what comes from behind the editor's prefix."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from checks.facts import ForwardRefused
from labs.tp9_tout_service import editor, lessons
from labs.tp9_tout_service.trials import Held
from labs.tp9_tout_service.websocket import NotWebSocket

Answers = Mapping[str, tuple[int, str]]
"""A status and a text by path; nothing for any other."""
PAGE = (200, "la page")
NO_SUCH = (404, "n’existe pas ici")


def served(answers: Answers) -> contextlib.AbstractContextManager[socket.socket]:
    @contextlib.contextmanager
    def open_() -> Iterator[socket.socket]:
        near, far = socket.socketpair()

        def serve() -> None:
            with far:
                path = far.recv(4096).split()[1].decode()
                if path in answers:
                    status, text = answers[path]
                    body = text.encode()
                    head = f"HTTP/1.1 {status} x\r\nContent-Length: {len(body)}\r\n\r\n"
                    far.sendall(head.encode() + body)

        with ThreadPoolExecutor(1) as pool, near:
            done = pool.submit(serve)
            yield near
            done.result()

    return open_()


def place(through: Answers, own: Answers | None) -> Any:
    """A namespace whose editor answers `through` a tunnel; `own`: the program in its pod, None
    where nothing listens."""

    def forward(pod: str, port: int) -> contextlib.AbstractContextManager[socket.socket]:
        if own is None:
            raise ForwardRefused("rien n’écoute")
        return served(own)

    return SimpleNamespace(
        machine=SimpleNamespace(connect=lambda port: served(through)),
        forward=forward,
        namespace="user-alice",
    )


@pytest.mark.parametrize(
    ("through", "own", "wrong"),
    [
        ({"/proxy/8501/": PAGE}, {"/": PAGE}, None),
        ({"/proxy/8501/": NO_SUCH}, {"/": NO_SUCH, "/proxy/8501/": PAGE}, lessons.PrefixAwaited),
        ({"/proxy/8501/": (403, "Host")}, {"/": (403, "Host")}, lessons.RefusedBehind),
        ({"/proxy/8501/": (404, "éditeur")}, {"/": PAGE}, lessons.AnotherBehind),
        ({"/proxy/8501/": (502, "personne")}, None, lessons.NothingBehind),
        ({}, {"/": PAGE}, lessons.SilentBehind),
    ],
)
def test_each_answer_has_its_lesson(
    through: Answers, own: Answers | None, wrong: type | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    arranged(monkeypatch, Held(1))
    found = editor.program_refused(place(through, own))
    assert wrong is None if found is None else type(found) is wrong


def test_a_page_whose_websocket_does_not_pass_is_not_enough(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arranged(monkeypatch, Held(0, NotWebSocket("réponse 426", 426)))
    found = editor.program_refused(place({"/proxy/8501/": PAGE}, {"/": PAGE}))
    assert type(found) is lessons.WebSocketBehind


def arranged(monkeypatch: pytest.MonkeyPatch, came: Held) -> None:
    """A tunnel that is open, one pod, and what comes of a WebSocket."""
    pod = SimpleNamespace(name="editeur-1")
    monkeypatch.setattr(editor, "_opened", lambda _: SimpleNamespace(port=8081))
    monkeypatch.setattr(editor, "_ready", lambda _: [pod])
    monkeypatch.setattr(editor, "_again", lambda _: ())
    monkeypatch.setattr(editor, "held", lambda *_, **__: came)
