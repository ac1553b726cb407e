"""What must never be read by anybody: the secrets that this process knows, and what has the shape
of one.

Fed where a secret is read (`remember…`), asked wherever words leave for people: `redact`. The
registry belongs to the process, not to one verification: whatever was read must stay hidden as long
as something can still be written.
"""

from __future__ import annotations

import base64
import contextlib
import json
import logging
import re
import shlex
import sys
import threading
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any, TextIO
from urllib.parse import quote, quote_plus, unquote, urlsplit

from checks import inert

MASK = "(masqué)"

_PRIVATE_NAME = re.compile(
    r"(?i)passw|pwd|pass$|pgpass|secret|token|credential|cookie|authorization|mdp|mot_?de_?passe|api_?key"
    r"|key-data|private|\.key$|^key$"
)
# a private word in the name of a place
_NO_SECRET = re.compile(r"(?i)^(?:old)?pwd$|file$|path$|dir$")
_PLACE = re.compile(r"://|^[/.~]|\.[a-z]{2,}$")
_WORDS = re.compile(r"[^\W\d_]+(?:[-_. ][^\W\d_]+)*")
_ADDRESS = re.compile(r"(?:[a-z][\w+.-]*://)?[\w.-]+(?::\d+)?(?:/\S*)?|/\S*", re.IGNORECASE)
_WRAPPED = 12  # characters: a longer form may have been cut into lines by what draws the terminal
_GAP = re.compile(r"(?:\s|\x1b\[[0-9;]*m|[│┃])+")
_FRAMED = re.compile(r"[\x1b│┃]")
_SAID = 300  # characters of an exception that a sentence quotes
_CUT = 8  # characters of a secret that a sentence cut short may still end with

# Beside each shape, what every text of that shape holds: looking for a word takes a hundredth of
# looking for the shape, and a class is told a hundred thousand sentences.
_SHAPES = (
    (
        "PRIVATE KEY-----",
        re.compile(
            r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----.*?(?:-----END (?:[A-Z]+ )*PRIVATE "
            r"KEY-----|\Z)",
            re.S,
        ),
        MASK,
    ),
    # The same in base64: « -----BEGIN PRIVATE », « … RSA », « … EC P », « … ENCRYPTED ».
    (
        "LS0tLS1CRUdJTi",
        re.compile(r"LS0tLS1CRUdJTi(?:BQUklWQVRF|BSU0Eg|BFQyBQ|BFTkNSWVBU)[A-Za-z0-9+/=_-]*"),
        MASK,
    ),
    # JSON Web Tokens
    (
        "eyJ",
        re.compile(r"\beyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){1,2}|\beyJ[A-Za-z0-9_-]{24,}"),
        MASK,
    ),
    (
        "Bearer",
        re.compile(r"\b(Bearer)(\s+)(?=[^\s\"']*[A-Z\d._~+/=-])[^\s\"',;]{8,}"),
        rf"\1\2{MASK}",
    ),
    (
        "Basic",
        re.compile(r"\b(Basic)(\s+)(?=[^\s\"']*[A-Z\d+/=])[A-Za-z0-9+/=]{8,}"),
        rf"\1\2{MASK}",
    ),
    ("://", re.compile(r"(\w://[^\s/:@\"'<>]*):(?![$<{(])[^\s/\"'<>]+@"), rf"\1:{MASK}@"),
    ("SCRAM-SHA-256$", re.compile(r"SCRAM-SHA-256\$\d+:[^\s\"']+"), MASK),
)
# In what is written for whoever mends the program, a name is enough to hide its value.
_ASSIGNED = re.compile(
    r"(?i)((?:passw(?:or)?d|passwd|pwd|secret|token|credentials?|cookie|authorization|api[-_]?key|mdp|key-data)"
    r"[\"']?\s*[:=]\s*[bru]?[\"']?)(?!\(masqué\)|[$<{(]|None\b|null\b)([^\s\"',;&}]{3,})"
)
_PRIVATE_HEADER = re.compile(
    r"(?i)\b((?:set-)?cookie|(?:proxy-)?authorization)(\s*[:=]\s*)[^\r\n\"']+"
)


class _Known:
    """The forms of every secret known to this process, the longest first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.forms: tuple[str, ...] = ()
        self.wrapped: tuple[str, ...] = ()
        """The longer ones, without the blanks that they hold."""
        self.beginnings: tuple[tuple[str, str], ...] = ()
        """Beside each form, its shortest beginning that no sentence ends with by itself."""

    def add(self, secret: str) -> None:
        with self._lock:
            new = {*_forms(secret)}.difference(self.forms)
            if new:
                wrapped = {_GAP.sub("", form) for form in new if len(form) >= _WRAPPED}
                self.forms = tuple(sorted({*self.forms, *new}, key=len, reverse=True))
                self.wrapped = tuple(sorted({*self.wrapped, *wrapped}, key=len, reverse=True))
                odd = {(head, form) for form in new if (head := _odd_beginning(form))}
                self.beginnings = tuple(
                    sorted({*self.beginnings, *odd}, key=lambda one: len(one[1]), reverse=True)
                )


_known = _Known()


def remember(value: object, *, public: tuple[str, ...] = ()) -> None:
    """Hide this secret from now on, in any of the forms it may take.

    A value too plain to be told from ordinary words, or that is part of a name of `public`, is
    left: hiding it would spoil what is said, and show what it is.
    """
    if not isinstance(value, str):
        return
    for part in {value.strip(), *(line.strip() for line in value.splitlines())}:
        word = part.removeprefix("Bearer ").removeprefix("Basic ").strip()
        if _telling(word) and not any(word in name for name in public):
            _known.add(word)


def remember_url(value: object) -> None:
    """Hide the password of an address `scheme://user:password@host`, raw and decoded."""
    if not isinstance(value, str) or "@" not in value:
        return
    try:
        password = urlsplit(value if "://" in value else f"http://{value}").password
    except ValueError:
        return
    remember(password)
    remember(unquote(password or ""))


def remember_tree(tree: object) -> None:
    """Hide what a configuration holds under a private name, whatever its shape: a kubeconfig, its
    `exec`, its proxy."""
    if isinstance(tree, Mapping):
        given = tree.get("value")
        # a variable of a program
        if isinstance(given, str) and "name" in tree and not _PLACE.search(given):
            remember(given)
        for name, value in tree.items():
            _remember_named(str(name), value)
            remember_tree(value)
    elif isinstance(tree, list | tuple):
        for before, value in zip(("", *tree), tree, strict=False):
            if isinstance(value, str):  # arguments: --client-secret=X, or --client-secret X
                name, equals, rest = value.partition("=")
                _remember_named(name if equals else str(before), rest if equals else value)
            remember_tree(value)


def remember_secret(name: str, namespace: str, values: Mapping[str, str]) -> None:
    """Hide the decoded values of a Secret: names of accounts, hosts and databases are no secret."""
    plain = (
        value
        for key, value in values.items()
        if not _PRIVATE_NAME.search(key) and not _drawn(value)
    )
    public = (name, namespace, *(value for value in plain if _ADDRESS.fullmatch(value)))
    for key, value in values.items():
        if key.lower().endswith("pgpass"):  # host:port:database:user:password
            value = value.strip().rpartition(":")[2]
        _remember_named(key, value, public)
        if value.startswith("{"):  # a registry's accounts
            with contextlib.suppress(ValueError):
                remember_tree(json.loads(value))


def redact(text: str, *, technical: bool = False) -> str:
    """The text without any secret. `technical`: it is for whoever mends the program (traceback,
    log, command line), and loses also whatever is assigned to a private name."""
    for form in _known.forms:
        text = text.replace(form, MASK)
    text = _without_end(_without_wrapped(text))
    if technical:
        text = _PRIVATE_HEADER.sub(rf"\1\2{MASK}", text)
    for word, shape, instead in _SHAPES:
        if word in text:
            text = shape.sub(instead, text)
    return _ASSIGNED.sub(rf"\1{MASK}", text) if technical else text


def described(error: BaseException) -> str:
    """What an exception is and says, for a sentence or a log: without any secret, and whatever it
    is."""
    kind = type(error).__name__
    try:
        words = inert.line(redact(" ".join(str(error).split()), technical=True), _SAID)
    except Exception:  # one that cannot even say itself
        words = ""
    return f"{kind}: {words}" if words else kind


def redacted(value: Any) -> Any:
    """The same structure of dicts, lists and texts, without any secret."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {key: redacted(one) for key, one in value.items()}
    return [redacted(one) for one in value] if isinstance(value, list | tuple) else value


class Formatter(logging.Formatter):
    """Log records as ever, tracebacks included, without any secret."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, once all of it is known."""
        return inert.on_terminal(redact(super().format(record), technical=True))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (the library's own name)
        """One message is one line: what it quotes begins no other."""
        record.message = inert.line(record.message, 10 * inert.MOST)
        return super().formatMessage(record)


class Stream:
    """A text stream through which no secret goes, and nothing that acts on a terminal; the rest is
    the stream's own."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write the text without any secret; the length that was given, as callers expect."""
        self._stream.write(inert.on_terminal(redact(text)))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write every line without any secret."""
        for line in lines:
            self.write(line)

    def __iter__(self) -> Iterator[str]:
        return iter(self._stream)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def disclose(text: str) -> None:
    """Write on standard output, as it is, a secret that the person has asked for."""
    stream = sys.stdout
    (stream._stream if isinstance(stream, Stream) else stream).write(text)


def _remember_named(name: str, value: object, public: tuple[str, ...] = ()) -> None:
    """A value is hidden for its name, or because it looks drawn at random; an address, for the
    password in it."""
    if not isinstance(value, str):
        return
    remember_url(value)
    private = _PRIVATE_NAME.search(name) and not _NO_SECRET.search(name)
    if private or _drawn(value):
        remember(value, public=public)


def _telling(word: str) -> bool:
    """Whether a secret is long and odd enough that hiding it hides nothing else."""
    kinds = sum(
        bool(re.search(kind, word)) for kind in (r"[a-z]", r"[A-Z]", r"\d", r"[^A-Za-z\d\s]")
    )
    if len(set(word)) < 5:
        return False
    if _WORDS.fullmatch(word):
        return len(word) >= 14 or (len(word) >= 8 and bool(re.search(r"[a-z][A-Z]", word)))
    if word.isdigit():
        return len(word) >= 10
    return len(word) >= 8 or (len(word) >= 6 and kinds >= 3)


def _drawn(value: str) -> bool:
    """Whether a value under an ordinary name looks like a key: one long word of several kinds of
    characters."""
    if (
        len(value) < 16
        or re.search(r"\s", value)
        or (_ADDRESS.fullmatch(value) and not value.isalnum())
    ):
        return False
    return all(re.search(kind, value) for kind in (r"[a-z]", r"[A-Z]", r"\d"))


def _forms(secret: str) -> Iterator[str]:
    """A secret as it may be met: as it is, escaped, quoted, in a URL, in base64 (alone, or among
    other bytes)."""
    yield secret
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield repr(secret)[1:-1]
    yield shlex.quote(secret).strip("'")
    for encoded in (quote(secret, safe=""), quote(secret), quote_plus(secret)):
        yield encoded
        yield re.sub(r"%[0-9A-F]{2}", lambda found: found[0].lower(), encoded)
    data = secret.encode("utf-8", "surrogatepass")
    for before in range(3):
        whole = base64.b64encode(b"\0" * before + data).decode().rstrip("=")
        # the last character holds bits of what follows
        end = len(whole) - (1 if (before + len(data)) % 3 else 0)
        core = whole[-(-before * 8 // 6) : end]
        if len(core) >= _CUT:
            yield core
            yield core.replace("+", "-").replace("/", "_")


def _without_wrapped(text: str) -> str:
    """The text without the secrets that go over several lines, or over the sides of a frame."""
    if not _known.wrapped:
        return text
    in_one_line = _GAP.sub("", text) if _FRAMED.search(text) else "".join(text.split())
    found = [form for form in _known.wrapped if form in in_one_line]
    if not found:
        return text
    gaps = [(gap.start(), gap.end()) for gap in _GAP.finditer(text)]
    edges = [0, *(edge for gap in gaps for edge in gap), len(text)]
    kept = [
        place
        for start, end in zip(edges[::2], edges[1::2], strict=True)
        for place in range(start, end)
    ]
    hidden = [False] * len(text)
    for form in found:
        at = in_one_line.find(form)
        while at >= 0:
            first, last = kept[at], kept[at + len(form) - 1]
            hidden[first : last + 1] = [True] * (last + 1 - first)
            at = in_one_line.find(form, at + len(form))
    runs = groupby(range(len(text)), key=hidden.__getitem__)
    return "".join(
        MASK if secret else "".join(text[place] for place in places) for secret, places in runs
    )


def _without_end(text: str) -> str:
    """The text without the beginning of a secret that its end was cut in."""
    tail = text.rstrip("….\"' \n")
    for head, form in _known.beginnings:
        at = tail.rfind(head, max(0, len(tail) - len(form)))
        if at >= 0 and form.startswith(tail[at:]):
            return text[:at] + MASK + text[len(tail) :]
    return text


def _odd_beginning(form: str) -> str:
    """The shortest beginning of a secret with which no sentence ends by itself, "" for none."""
    beginnings = (form[:end] for end in range(min(_CUT, len(form)), len(form) + 1))
    return next((one for one in beginnings if not _WORDS.fullmatch(one)), "")
