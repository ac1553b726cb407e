"""A platform's grade book: its columns, what they show, and a score more. The messages are those of
the library; what they come back with is looked at before it is believed."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit, urlunsplit

import msgspec
from pylti1p3.exception import LtiException, LtiServiceException
from pylti1p3.grade import Grade
from pylti1p3.lineitem import LineItem
from pylti1p3.registration import Registration
from pylti1p3.service_connector import ServiceConnector

from checks.moodle import troubles
from checks.moodle.link import Link, private_key, public_key
from checks.moodle.transport import Transport
from checks.moodle.troubles import TokenOver
from checks.redaction import remember

_AGS = "https://purl.imsglobal.org/spec/lti-ags/scope"
_SCOPES = (f"{_AGS}/lineitem", f"{_AGS}/result.readonly", f"{_AGS}/score")
_MEMBERS = ("https://purl.imsglobal.org/spec/lti-nrps/scope/contextmembership.readonly",)
_ITEMS = "application/vnd.ims.lis.v2.lineitemcontainer+json"
_ITEM = "application/vnd.ims.lis.v2.lineitem+json"
_RESULTS = "application/vnd.ims.lis.v2.resultcontainer+json"
_SCORE = "application/vnd.ims.lis.v1.score+json"
_PEOPLE = "application/vnd.ims.lti-nrps.v2.membershipcontainer+json"
_SOONER = 30.0  # seconds before its end at which a token is renewed
_PAGES = 100
_RESOURCE = "cahier-{}"
"""What tells our column of a lab from the others, whatever it is renamed."""

T = TypeVar("T")


class Member(msgspec.Struct, frozen=True):
    """Somebody of the course. An empty text: the platform does not say."""

    user: str
    identifier: str = ""
    email: str = ""


class Column(msgspec.Struct, frozen=True):
    """One lab in the grade book."""

    address: str
    maximum: Fraction


class _Connector(ServiceConnector):
    """The library's, which leaves to us how long a token is kept."""

    def __init__(self, registration: Registration, transport: Transport) -> None:
        super().__init__(registration, transport)
        self._kept: dict[str, tuple[str, float]] = {}

    def forget(self) -> None:
        """Have new tokens asked for."""
        self._kept.clear()

    def get_access_token(self, scopes: Sequence[str]) -> str:
        """As the library's. Raises Trouble."""
        try:
            token = super().get_access_token(scopes)
        except LtiServiceException as refusal:
            answer = refusal.response
            raise troubles.of_token(answer.status_code, _code(answer.content)) from None
        except (AttributeError, KeyError, TypeError, ValueError):
            raise troubles.strange("il n’y a pas de jeton dans sa réponse") from None
        return token

    def _get_cached_access_token(self, scope_key: str) -> str | None:
        token, end = self._kept.get(scope_key, ("", 0.0))
        return token if time.monotonic() < end else None

    def _cache_access_token(self, scope_key: str, access_token: str, expires_in: float) -> None:
        if not isinstance(access_token, str) or not access_token.isascii():
            raise TypeError
        remember(access_token)
        lasts = float(expires_in) if isinstance(expires_in, int | float) else 0.0
        self._kept[scope_key] = access_token, time.monotonic() + max(lasts - _SOONER, lasts / 2)


class Platform:
    """A class's grade book; to be used from any thread."""

    def __init__(self, link: Link) -> None:
        """Raises CahierError where there is no key."""
        registration = Registration()
        registration.set_issuer(link.issuer).set_client_id(link.client)
        registration.set_auth_token_url(link.tokens)
        registration.set_tool_private_key(private_key()).set_tool_public_key(public_key())
        self._link = link
        self._connector = _Connector(registration, Transport())
        self._columns: dict[str, Column] = {}
        self._turn = threading.RLock()

    def members(self) -> Sequence[Member]:
        """Who is in the course. Raises Trouble."""
        return [
            _member(one)
            for body in self._pages(_MEMBERS, self._link.members, _PEOPLE, "les membres du cours")
            for one in _list(_mapping(body, "les membres").get("members"), "les membres")
        ]

    def column(self, lab: str, label: str, maximum: Fraction) -> Column:
        """The column of a lab, made when missing: one, whoever asks at the same time. Raises
        Trouble."""
        with self._turn:
            if lab not in self._columns:
                found = self._found(lab)
                self._columns[lab] = found or self._made(lab, label, maximum)
            return self._columns[lab]

    def forget(self, lab: str) -> None:
        """Look for the column of a lab again: it may have been removed."""
        with self._turn:
            self._columns.pop(lab, None)

    def result(self, column: Column, user: str) -> Fraction | None:
        """What part of its maximum the grade book shows for somebody; None for no mark, and for
        zero where the platform tells them apart as little as Moodle does. Raises Trouble."""
        address = _below(column.address, "results", {"user_id": user})
        shown: list[Fraction] = []
        for body in self._pages(_SCOPES, address, _RESULTS, "les notes de la colonne"):
            for one in _list(body, "les notes"):
                result = _mapping(one, "une note")
                if str(result.get("userId")) == user and result.get("resultScore") is not None:
                    most = _number(result.get("resultMaximum"), "une note") or Fraction(1)
                    shown.append(_number(result["resultScore"], "une note") / most)
        return max(shown, default=None)

    def post(
        self, column: Column, user: str, points: Fraction, maximum: Fraction, at: datetime
    ) -> None:
        """Say a score. Told twice with the same moment, it is one. Raises Trouble."""
        grade = Grade()
        grade.set_score_given(_json(points)).set_score_maximum(_json(maximum))
        grade.set_activity_progress("Completed" if points == maximum else "InProgress")
        grade.set_grading_progress("FullyGraded").set_user_id(user)
        grade.set_timestamp(at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
        self._asked(
            _SCOPES, _below(column.address, "scores"), "la note", grade.get_value(), _SCORE, _SCORE
        )

    def columns(self) -> Sequence[Mapping[str, Any]]:
        """All columns that are the tool's. Raises Trouble."""
        return [
            _mapping(one, "une colonne")
            for body in self._pages(_SCOPES, self._link.line_items, _ITEMS, "les colonnes")
            for one in _list(body, "les colonnes")
        ]

    def _found(self, lab: str) -> Column | None:
        wanted = _RESOURCE.format(lab)
        for item in self.columns():
            if wanted in (item.get("resourceId"), item.get("tag")):
                return self._column(item)
        return None

    def _made(self, lab: str, label: str, maximum: Fraction) -> Column:
        item = LineItem()
        item.set_label(label).set_score_maximum(_json(maximum))
        item.set_resource_id(_RESOURCE.format(lab)).set_tag(_RESOURCE.format(lab))
        answer = self._asked(
            _SCOPES, self._link.line_items, "la nouvelle colonne", item.get_value(), _ITEM, _ITEM
        )
        return self._column(_mapping(answer["body"], "la nouvelle colonne"))

    def _column(self, item: Mapping[str, Any]) -> Column:
        address, maximum = item.get("id"), _number(item.get("scoreMaximum"), "une colonne")
        if not isinstance(address, str) or not self._is_theirs(address) or maximum <= 0:
            raise troubles.strange("une colonne n’a ni adresse ni barème qui conviennent")
        return Column(address, maximum)

    def _is_theirs(self, address: str) -> bool:
        """Whether an address is the platform's own: our token is not for anybody else."""
        try:
            given, own = urlsplit(address), urlsplit(self._link.line_items)
        except ValueError:
            return False
        return (given.scheme, given.netloc) == (own.scheme, own.netloc)

    def _pages(
        self, scopes: Sequence[str], address: str, accept: str, what: str
    ) -> Iterator[object]:
        """The bodies of a list, page by page. Raises Trouble."""
        for _ in range(_PAGES):
            answer = self._asked(scopes, address, what, None, accept, accept)
            yield answer["body"]
            following = answer["next_page_url"]
            if not following:
                return
            if not self._is_theirs(following):
                raise troubles.strange("la suite d’une liste est ailleurs")
            address = following
        raise troubles.strange("une liste n’en finit pas")

    def _asked(
        self,
        scopes: Sequence[str],
        address: str,
        what: str,
        data: str | None,
        content: str,
        accept: str,
    ) -> Mapping[str, Any]:
        def ask() -> Mapping[str, Any]:
            with self._turn:
                self._connector.get_access_token(scopes)
            try:
                return self._connector.make_service_request(
                    scopes,
                    address,
                    is_post=data is not None,
                    data=data,
                    content_type=content,
                    accept=accept,
                )
            except LtiServiceException as refusal:
                raise troubles.of_status(refusal.response.status_code, what) from None
            except LtiException:
                raise troubles.strange(what) from None

        return self._renewed(ask)

    def _renewed(self, ask: Callable[[], T]) -> T:
        """What is asked, once more with a new token where the first no longer held."""
        try:
            return ask()
        except TokenOver:
            with self._turn:
                self._connector.forget()
            return ask()


def _code(body: bytes) -> str:
    """OAuth's name of an error; "" for none."""
    try:
        told = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""
    code = told.get("error") if isinstance(told, dict) else ""
    return code if isinstance(code, str) and code.replace("_", "").isalpha() else ""


def _member(one: object) -> Member:
    told = _mapping(one, "un membre")
    user = told.get("user_id")
    if not isinstance(user, str | int) or isinstance(user, bool) or user == "":
        raise troubles.strange("un membre n’a pas d’identifiant")
    identifier, email = (told.get(name) for name in ("lis_person_sourcedid", "email"))
    return Member(
        str(user),
        identifier if isinstance(identifier, str) else "",
        email if isinstance(email, str) else "",
    )


def _mapping(value: object, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise troubles.strange(what)
    return value


def _list(value: object, what: str) -> Sequence[object]:
    if not isinstance(value, list):
        raise troubles.strange(what)
    return value


def _number(value: object, what: str) -> Fraction:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise troubles.strange(what)
    return Fraction(str(value))


def _json(number: Fraction) -> float:
    """The number that JSON writes: whole where it is."""
    return number.numerator if number.denominator == 1 else float(number)


def _below(address: str, name: str, query: Mapping[str, str] | None = None) -> str:
    """The address of a service below a column's; the query that it has stays."""
    parts = urlsplit(address)
    asked = "&".join(filter(None, (parts.query, urlencode(query or {}))))
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{name}", query=asked))
