"""The passwords of a shared database, and where they are written for anybody to read.

A password of the base is what opens a session on its server, told from the digest that the server
itself keeps of each (`accounts.opens`): neither a user's name, nor the key of another service, nor
an old password is one. Those that the Secrets hold are looked for in every text, in every spelling.
Where an account is left whose password no Secret holds, the words of the texts are tried on it, the
most likely first, `_TRIED` of them at most; what looks like a password and opens nothing is none of
the base.

A digest cannot be looked for inside a text: the passwords themselves are in memory for the time of
a call, read anew each time. They are in no result, no message and no log.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import unescape
from itertools import islice
from urllib.parse import unquote, unquote_plus

from .accounts import Role, opens
from .plain_text import Item, Written, written
from .spellings import Search, decoded

_TRIED = 400
_LONGEST = 128  # letters of a password, and of a word that is tried
_NAMED = re.compile(r"(?i)pass(?:w|$|[^a-z])|pwd|mdp|mot.?de.?passe|secret")
_SAID = re.compile(
    r"""(?isx) (?: passw(?:or)?d | pwd | pass | mdp | mot[-_ ]?de[-_ ]?passe | secret ) [\\"']*
    (?: \s*(?:=>|[:=>])\s* | \s+ )
    (?: (\\*)' ( (?: [^'\\] | '' | \\. )*? ) \1'(?!') | (\\*)" ( (?: [^"\\] | "" | \\. )*? ) \3"
    | \$(\w*)\$ (.*?) \$\5\$
    | (?<=>) ( [^<>\n]+ ) (?=<) | ( (?: \\. | &\#?\w+; | [^\s"'<>,;&\\] )+ ) )"""
)
_ADDRESS = re.compile(r"://[^\s/:@\"'<>]*:([^\s/\"'<>]+)@")
_PGPASS = re.compile(r"(?m)^[^:\s]+:(?:\d+|\*):[^:\n]*:[^:\n]*:(.+)$")
_ORDINARY = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|\d+")
_KEY_MATERIAL = "-----BEGIN "


@dataclass(frozen=True)
class Password:
    """A password of the base, without the password: whose it is, and whether a Secret holds it."""

    roles: tuple[Role, ...]
    held: bool


@dataclass(frozen=True)
class Leak:
    """A text that has a password of the base, or several; `base64`: it takes decoding to read
    them."""

    place: Written
    base64: bool


@dataclass(frozen=True)
class Leaks:
    """The passwords of the base that are written in clear, and every place where they are."""

    passwords: Sequence[Password]
    places: Sequence[Leak]
    _search: Search = field(repr=False)

    def tells(self, text: str) -> bool:
        """Whether a text of ours would show one: a name that somebody gave may be a password."""
        return bool(self._search(text))


def leaks(
    items: Sequence[Item], secrets: Iterable[Mapping[str, str]], roles: Sequence[Role]
) -> Leaks:
    """Where the passwords of these roles are written in these objects; `secrets`: the values of
    each Secret."""
    texts = [place for item in items for place in written(item)]
    asked = sorted(
        (role for role in roles if role.login and role.stored), key=lambda role: not role.platform
    )
    held = _opening(_in_secrets(secrets), asked)
    known = {role.name for password in held.values() for role in password}
    passwords = held | _opening(
        _in_texts(texts), [role for role in asked if role.name not in known]
    )
    names = _public(items, roles)
    common = {word for word in passwords if is_common(word, names)}
    search = Search(passwords.keys() - common)
    found: dict[str, Password] = {}
    places = []
    for place in texts:
        words = dict(search(place.text))
        if common:
            words |= dict.fromkeys(common.intersection(likely(place.name, place.text)), False)
        if words:
            places.append(Leak(place, all(words.values())))
            found |= {word: Password(tuple(passwords[word]), word in held) for word in words}
    return Leaks(list(found.values()), places, search)


def _public(items: Sequence[Item], roles: Sequence[Role]) -> set[str]:
    """Names that may be seen."""
    spaces = {str(item.raw["metadata"].get("namespace", "")) for item in items}
    return (
        spaces
        | {item.name for item in items}
        | {name for role in roles for name in (role.name, *role.databases)}
    )


def _opening(words: Iterable[str], roles: Sequence[Role]) -> dict[str, Sequence[Role]]:
    """Those of the words that open a role, and which. A role whose password is found is asked of no
    other word."""
    found: dict[str, Sequence[Role]] = {}
    left, seen = list(roles), set[str]()
    for word in words:
        if not left or len(seen) >= _TRIED:
            break
        if word in seen or not 0 < len(word) <= _LONGEST:
            continue
        seen.add(word)
        opened = [role for role in left if opens(word, role)]
        if opened:
            found[word] = opened
            left = [role for role in left if role not in opened]
    return found


def is_common(word: str, names: Iterable[str]) -> bool:
    """Whether a password is also an ordinary word, or the name of something that may be seen: its
    being in a text tells nothing, unless it is there as a password."""
    ordinary = len(word) < 12 and _ORDINARY.fullmatch(word)
    return len(word) < 6 or bool(ordinary) or any(word.lower() in name.lower() for name in names)


# -- words that may be passwords -------------------------------------------------------------------


def _in_secrets(secrets: Iterable[Mapping[str, str]]) -> Iterator[str]:
    values = [
        (key, value)
        for secret in secrets
        for key, value in sorted(secret.items(), key=lambda one: not _NAMED.search(one[0]))
        if _KEY_MATERIAL not in value
    ]
    for key, value in values:
        yield from likely(key, value)
    for _, value in values:
        yield from _words(value)


def _in_texts(texts: Sequence[Written]) -> Iterator[str]:
    values = [
        place
        for place in texts
        if place.name and place.path[0] != "status" and _KEY_MATERIAL not in place.text
    ]
    for place in values:
        yield from likely(place.name, place.text)
    for family in (_of_config_map, _of_container, _of_annotation):
        for place in filter(family, values):
            yield from _words(place.text)


def _of_config_map(place: Written) -> bool:
    return place.item.kind == "ConfigMap" and place.path[0] != "metadata"


def _of_container(place: Written) -> bool:
    return bool({"env", "args", "command"} & set(place.path))


def _of_annotation(place: Written) -> bool:
    return "annotations" in place.path


def likely(name: str, text: str) -> Iterator[str]:
    """What a text called `name` gives as a password: its value, or what it says after the word, or
    in an address."""
    if _NAMED.search(name) and "\n" not in text.strip():
        yield from _unescaped(text)
    for pattern in (_SAID, _ADDRESS, _PGPASS):
        for match in pattern.finditer(text):
            word = next((group for group in reversed(match.groups()) if group), "")
            yield from _unescaped(word)
    for inner in decoded(text):
        if inner.isprintable() or "\n" in inner:
            yield from likely(name, inner)


def _unescaped(word: str) -> Iterator[str]:
    """A word, and what it may stand for."""
    bare = word.strip()
    for one in (word, bare, bare.strip("\"'"), bare.rstrip(".,;)")):
        yield from (
            one,
            unescape(one),
            unquote(one),
            unquote_plus(one),
            _of_json(one),
            re.sub(r"\\(.)", r"\1", one),
        )
        yield from (one.replace(char * 2, char) for char in "'\"$%" if char * 2 in one)


def _of_json(word: str) -> str:
    try:
        return str(json.loads(f'"{word}"'))
    except ValueError:
        return word


def _words(text: str) -> Iterator[str]:
    """The words of a text, whole or cut at its signs."""
    found = [text.strip(), *text.split(), *re.split(r"[\s:=@/,;&?\"'{}\\<>]+", text)]
    yield from (word for word in islice(dict.fromkeys(found), _TRIED) if 4 <= len(word) <= _LONGEST)
