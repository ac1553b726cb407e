"""A small LTI platform, of lti1p3platform's: who asks, with which rights, and the messages are the
library's; what it keeps is here."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from datetime import datetime
from fractions import Fraction
from typing import Any, ClassVar
from urllib.parse import parse_qsl

from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)
from lti1p3platform.exceptions import LineItemNotFoundException, LtiException, LtiServiceException
from lti1p3platform.ltiplatform import LTI1P3PlatformConfAbstract
from lti1p3platform.membership import Context
from lti1p3platform.registration import Registration
from lti1p3platform.request import Request
from lti1p3platform.score import UpdateScoreStatus
from lti1p3platform.service_connector import AssignmentsGradesService, NamesRoleProvisioningService

from checks.moodle.link import Link
from tests.support.grade_book import Answer, Asked, Column, GradeBook, Score, private_key

CLIENT = "cahier"
_HOUR = 3600


class LtiPlatform(GradeBook):
    """Its people are known by number, else by address; a score as old as another is refused (409),
    and so is one of somebody who is not of the course (400)."""

    services: ClassVar = {
        "token": "/token",
        "memberships": "/7/memberships",
        "lineitems": "/7/lineitems",
        "results": "/7/lineitems/[0-9]+/lineitem/results",
        "scores": "/7/lineitems/[0-9]+/lineitem/scores",
    }

    def __init__(self) -> None:
        super().__init__()
        self.members: list[dict[str, Any]] = []
        self.items: dict[str, dict[str, Any]] = {}
        self.results: dict[tuple[str, str], dict[str, Any]] = {}
        """The score of an item and a user, as it was last taken."""
        self.scores: list[tuple[str, dict[str, Any]]] = []
        """Each score that was taken, with its item."""
        self._lasts = _HOUR
        key = private_key().decode()
        self.registration = Registration()
        self.registration.set_iss(self.address).set_client_id(CLIENT)
        self.registration.set_platform_private_key(key).set_platform_public_key(_public(key))
        self.enrol((1, 2, 3))

    @property
    def link(self) -> Link:
        return Link(
            issuer=self.address,
            client=CLIENT,
            tokens=f"{self.address}/token",
            line_items=f"{self.address}/7/lineitems?type_id=3",
            members=f"{self.address}/7/memberships",
        )

    def user(self, number: int) -> str:
        return str(1000 + number)

    def trust(self, public_key: str | None) -> None:
        keys = [] if public_key is None else [Registration.get_jwk(public_key)]
        self.registration.set_tool_key_set({"keys": keys})

    def enrol(self, numbers: Iterable[int]) -> None:
        self.members = [
            {
                "user_id": self.user(number),
                "lis_person_sourcedid": f"e{number}",
                "email": f"e{number}@exemple.fr",
                "roles": ["Learner"],
            }
            for number in numbers
        ]

    def tokens_last(self, seconds: int) -> None:
        self._lasts = seconds

    def columns(self) -> Sequence[Column]:
        return [Column(item["label"], _exact(item["scoreMaximum"])) for item in self.items.values()]

    def remove_columns(self) -> None:
        self.items.clear()

    def shown(self, lab: str, number: int) -> Fraction | None:
        for item in self._items(lab):
            found = self.results.get((item, self.user(number)))
            return None if found is None else _exact(found["scoreGiven"])
        return None

    def write(self, lab: str, number: int, points: Fraction, at: datetime) -> None:
        (item,) = self._items(lab)
        self.results[item, self.user(number)] = {
            "scoreGiven": float(points),
            "scoreMaximum": self.items[item]["scoreMaximum"],
            "timestamp": at.isoformat(),
        }

    def taken(self) -> Sequence[Score]:
        return [
            Score(
                column=item,
                user=score["userId"],
                points=_exact(score["scoreGiven"]),
                maximum=_exact(score["scoreMaximum"]),
                at=_moment(score["timestamp"]),
                progress=score["gradingProgress"],
            )
            for item, score in self.scores
        ]

    def forget_scores(self) -> None:
        self.results.clear()

    def serve(self, asked: Asked) -> Answer:
        configuration = _Configuration(registration=self.registration)
        if self.service(asked.path) == "token":
            code, told = self._token(configuration, asked.body)
        else:
            code, told = self._served(configuration, asked)
        return Answer(code, json.dumps(told).encode())

    def _items(self, lab: str) -> list[str]:
        return [
            number for number, item in self.items.items() if item["resourceId"] == f"cahier-{lab}"
        ]

    def _served(self, configuration: _Configuration, asked: Asked) -> tuple[int, Any]:
        query = dict(parse_qsl(asked.query))
        query.pop("type_id", None)
        request = _Request(
            {
                "method": asked.method,
                "form_data": {},
                "get_data": query,
                "headers": asked.headers,
                "content_type": asked.headers.get("Content-Type"),
                "path": asked.path,
                "json": json.loads(asked.body) if asked.body else None,
            }
        )
        try:
            answer = self._service(request, configuration, asked)
        except LtiException:  # how the library says that a token is over
            return 401, None
        except Exception as error:
            if type(error).__name__ in ("ExpiredSignatureError", "DecodeError"):
                return 401, None
            raise
        told = answer.result
        if isinstance(told, dict) and "content" in told:
            told = told["content"]
        return answer.code, told

    def _service(self, request: _Request, configuration: _Configuration, asked: Asked) -> Any:
        service = self.service(asked.path)
        if service == "memberships":
            names = _Names(request, configuration, f"{self.address}{asked.path}")
            names.book = self
            return names.handle_resp(names.handle_get_members)
        grades = _Grades(request, configuration, f"{self.address}/7/lineitems")
        grades.book = self
        if service == "lineitems":
            making = asked.method == "POST"
            return grades.handle_resp(
                grades.handle_create_lineitem if making else grades.handle_get_lineitems
            )
        handle = {"scores": grades.handle_update_score, "results": grades.handle_get_results}
        return grades.handle_resp(handle[service], line_item_id=asked.path.split("/")[3])

    def _token(self, configuration: _Configuration, body: bytes) -> tuple[int, Any]:
        try:
            told = configuration.get_access_token(dict(parse_qsl(body.decode())))
        except Exception:
            return 400, {"error": "invalid_client"}
        if self._lasts != _HOUR:
            end = int(time.time()) + self._lasts
            claims = {"iss": self.address, "scopes": told["scope"], "exp": end}
            told["access_token"] = self.registration.platform_encode_and_sign(claims)
        return 200, told


class _Configuration(LTI1P3PlatformConfAbstract):
    def init_platform_config(self, **kwargs: Any) -> None:
        self._registration = kwargs["registration"]

    def get_registration_by_params(self, **kwargs: Any) -> Registration:
        raise AssertionError


class _Request(Request):
    def build_metadata(self, request: Any) -> Any:
        return request


class _Grades(AssignmentsGradesService):
    book: LtiPlatform

    def find_lineitems(self, **asked: Any) -> Any:
        wanted = {"resource_id": "resourceId", "tag": "tag"}
        found = [
            item
            for item in self.book.items.values()
            if all(item.get(wanted[one]) == asked[one] for one in wanted if one in asked)
        ]
        return {"content": found, "has_next": False}

    def find_lineitem(self, line_item_id: str) -> Any:
        if line_item_id not in self.book.items:
            raise LineItemNotFoundException
        return self.book.items[line_item_id]

    def create_lineitem(self, creation_data: Any) -> Any:
        number = str(len(self.book.items) + 1)
        address = f"{self.book.address}/7/lineitems/{number}/lineitem?type_id=3"
        self.book.items[number] = {**creation_data, "id": address}
        return self.book.items[number]

    def update_lineitem(self, update_data: Any) -> Any:
        raise AssertionError

    def delete_lineitem(self, line_item_id: str) -> None:
        raise AssertionError

    def update_score(self, line_item_id: str, score: Any) -> UpdateScoreStatus:
        self.find_lineitem(line_item_id)
        user = str(score["userId"])
        if user not in {one["user_id"] for one in self.book.members}:
            raise LtiServiceException("Unknown user", 400)
        before = self.book.results.get((line_item_id, user))
        if before and _moment(before["timestamp"]) >= _moment(score["timestamp"]):
            return UpdateScoreStatus.OLD_TIMESTAMP
        self.book.results[line_item_id, user] = dict(score)
        self.book.scores.append((line_item_id, dict(score)))
        return UpdateScoreStatus.SUCCESS

    def get_results(self, line_item_id: str, **asked: Any) -> Any:
        self.find_lineitem(line_item_id)
        found = [
            {
                "userId": user,
                "resultScore": score["scoreGiven"],
                "resultMaximum": score["scoreMaximum"],
            }
            for (number, user), score in self.book.results.items()
            if number == line_item_id and asked.get("user_id") in (None, user)
        ]
        return {"content": found, "has_next": False}


class _Names(NamesRoleProvisioningService):
    book: LtiPlatform

    def get_member_data_page(self, **asked: Any) -> Any:
        return {"content": self.book.members, "has_next": False}

    def get_context_by_id(self) -> Context:
        return Context("7", "k8s", "Kubernetes")


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _exact(number: float) -> Fraction:
    return Fraction(str(number))


def _public(pem: str) -> str:
    key = load_pem_private_key(pem.encode(), None).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
