"""What the rest of Open edX would know of its courses, and what its staff do in its pages: both
come from the tests, by `/tests/`."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from django.conf import settings
from django.db.models.signals import post_save
from django.http import HttpRequest, JsonResponse
from django.urls import include, path
from lti_consumer.lti_1p3 import consumer
from lti_consumer.lti_1p3.key_handlers import PlatformKeyHandler
from lti_consumer.models import (
    CourseAllowPIISharingInLTIFlag,
    Lti1p3Passport,
    LtiAgsLineItem,
    LtiAgsScore,
    LtiConfiguration,
)
from lti_consumer.plugin import compat
from opaque_keys.edx.keys import UsageKey

_members: dict[str, list[dict[str, Any]]] = {}
"""Who is in a course, by its key."""
_taken: dict[int, list[dict[str, Any]]] = {}
"""Each score that was saved of what a tool says, by its configuration."""
_lasts: dict[str, int] = {}
"""How long the tokens of a client hold, where it is not Open edX's hour."""


# -- what the rest of Open edX knows ---------------------------------------------------------------


def _course_members(course: object) -> Mapping[int, Mapping[str, Any]]:
    return {one["id"]: dict(one) for one in _members[str(course)]}


def _external_ids(users: object) -> Mapping[int, object]:
    return {
        one["id"]: SimpleNamespace(external_user_id=one["external"])
        for course in _members.values()
        for one in course
    }


compat.get_course_members = _course_members
compat.batch_get_or_create_externalids = _external_ids
compat.merge_course_forum_roles = lambda course, members: members

_sign = PlatformKeyHandler.encode_and_sign


def _signed(own: Any, message: Mapping[str, Any], expiration: int | None = None) -> Any:
    return _sign(own, message, _lasts.get(message.get("sub", ""), expiration))


PlatformKeyHandler.encode_and_sign = _signed
# it reads its private key again for each request, which takes longer than all the rest
consumer.PlatformKeyHandler = functools.cache(PlatformKeyHandler)


def _saved(instance: Any, **_: object) -> None:
    told = {
        "column": str(instance.line_item_id),
        "user": instance.user_id,
        "points": instance.score_given,
        "maximum": instance.score_maximum,
        "at": instance.timestamp.isoformat(),
        "progress": instance.grading_progress,
    }
    _taken[instance.line_item.lti_configuration_id].append(told)


post_save.connect(_saved, sender=LtiAgsScore)


# -- what its staff do -----------------------------------------------------------------------------


def _offer(key: str) -> object:
    """A course where the tool is offered, with rights on its columns and members."""
    number = LtiConfiguration.objects.count() + 1
    block = f"block-v1:cahier+k8s+{number}+type@lti_consumer+block@notes"
    passport = Lti1p3Passport.objects.create(
        lti_1p3_internal_private_key=key, lti_1p3_internal_private_key_id="tests"
    )
    made = LtiConfiguration.objects.create(
        version=LtiConfiguration.LTI_1P3,
        config_store=LtiConfiguration.CONFIG_ON_DB,
        location=UsageKey.from_string(block),
        lti_1p3_passport=passport,
        lti_advantage_ags_mode=LtiConfiguration.LTI_ADVANTAGE_AGS_PROGRAMMATIC,
        lti_advantage_enable_nrps=True,
    )
    course = made.location.course_key
    CourseAllowPIISharingInLTIFlag.objects.create(course_id=course, enabled=True)
    _members[str(course)], _taken[made.pk] = [], []
    return {
        "course": made.pk,
        "issuer": settings.LTI_API_BASE,
        "passport": str(passport.passport_id),
        "client": passport.lti_1p3_client_id,
    }


def _trust(course: int, key: str) -> None:
    Lti1p3Passport.objects.filter(lticonfiguration=course).update(lti_1p3_tool_public_key=key)


def _enrol(course: int, members: Sequence[Mapping[str, Any]]) -> None:
    key = str(LtiConfiguration.objects.get(pk=course).location.course_key)
    _members[key] = [dict(one, roles=["student"]) for one in members]


def _tokens_last(client: str, seconds: int) -> None:
    _lasts[client] = seconds


def _columns(course: int) -> object:
    columns = LtiAgsLineItem.objects.filter(lti_configuration=course)
    return list(columns.order_by("pk").values_list("label", "score_maximum"))


def _remove_columns(course: int) -> None:
    LtiAgsLineItem.objects.filter(lti_configuration=course).delete()


def _scores(course: int, resource: str, user: str) -> Any:
    return LtiAgsScore.objects.filter(
        line_item__lti_configuration=course, line_item__resource_id=resource, user_id=user
    )


def _shown(course: int, resource: str, user: str) -> object:
    return _scores(course, resource, user).values_list("score_given", flat=True).first()


def _write(course: int, resource: str, user: str, points: float, at: str) -> None:
    # past what tells of scores that are saved: it is not the tool's
    changed = _scores(course, resource, user).update(
        score_given=points, timestamp=datetime.fromisoformat(at)
    )
    assert changed == 1


def _told(course: int) -> object:
    return _taken[course]


def _forget_scores(course: int) -> None:
    LtiAgsScore.objects.filter(line_item__lti_configuration=course).delete()


_DONE: Mapping[str, Callable[..., object]] = {
    "offer": _offer,
    "trust": _trust,
    "enrol": _enrol,
    "tokens_last": _tokens_last,
    "columns": _columns,
    "remove_columns": _remove_columns,
    "shown": _shown,
    "write": _write,
    "taken": _told,
    "forget_scores": _forget_scores,
}


def _asked_by_the_tests(request: HttpRequest, what: str) -> JsonResponse:
    return JsonResponse(_DONE[what](**json.loads(request.body)), safe=False)


urlpatterns = [
    path("api/", include("lti_consumer.plugin.urls")),
    path("tests/<slug:what>", _asked_by_the_tests),
]
