"""What an API server never says is not taken for its answer: no list is empty, and nobody is
nobody, by accident."""

from __future__ import annotations

from typing import Any, cast

import pytest
import urllib3

from checks.access import answers
from checks.errors import AccessError, ClusterLost

SERVER = "https://cluster.exemple.invalid"
METADATA = {
    "name": "a",
    "namespace": "user-alice",
    "uid": "1",
    "creationTimestamp": "2026-01-01T00:00:00Z",
}
POD = {"metadata": METADATA, "spec": {"containers": [{"name": "a", "image": "b"}]}, "status": {}}


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"<!doctype html><p>Identifiez-vous", "c’est une page web"),
        (b"\n <html>", "c’est une page web"),
        (b"", "incomplète"),
        (b"null", "incomplète"),
        (b"[]", "incomplète"),
        (b'"oui"', "incomplète"),
        (b'{"items": [{"met', "incomplète"),
        (b"\xff\xfe{", "incomplète"),
        (b"[" * 100_000, "incomplète"),
    ],
)
def test_what_is_no_json_object_is_no_answer(said: bytes, words: str) -> None:
    with pytest.raises(AccessError) as caught:
        answers.decoded(said, SERVER)
    assert words in caught.value.message
    assert SERVER in caught.value.message
    assert caught.value.remedy


def test_a_portal_is_asked_nothing_more() -> None:
    with pytest.raises(ClusterLost):
        answers.decoded(b"<html>", SERVER)
    assert isinstance(answers.redirected(SERVER), ClusterLost)


@pytest.mark.parametrize(
    "spoilt",
    [
        {"items": [POD]},
        {"metadata": {}},
        {"metadata": {}, "items": None},
        {"metadata": {}, "items": {}},
        {"metadata": {}, "items": [None]},
        {"metadata": {}, "items": [{**POD, "metadata": {"name": "a"}}]},
        {"metadata": {}, "items": [{key: value for key, value in POD.items() if key != "status"}]},
        {"metadata": {}, "items": [{**POD, "spec": {}}]},
        {"metadata": {}, "items": [POD, {}]},
    ],
)
def test_a_list_of_pods_without_what_they_all_have_is_refused(spoilt: dict[str, Any]) -> None:
    with pytest.raises(AccessError):
        answers.listed(spoilt, "Pod", SERVER)


def test_lists_are_taken_as_kubernetes_tells_them() -> None:
    assert answers.listed({"metadata": {}, "items": [POD]}, "Pod", SERVER) == [POD]
    assert answers.listed({"metadata": {}, "items": []}, "Pod", SERVER) == []
    assert (
        answers.listed(
            {"kind": "PartialObjectMetadataList", "metadata": {}, "items": None}, "Secret", SERVER
        )
        == []
    )
    assert answers.listed({"metadata": {}, "items": [{"metadata": METADATA, "any": 1}]}, "", SERVER)


def test_a_review_must_say_whether_it_allows() -> None:
    assert (
        answers.shaped({"status": {"allowed": False}}, answers.AccessReview, SERVER).status.reason
        == ""
    )
    spoilt: list[dict[str, Any]] = [
        {},
        {"status": None},
        {"status": {}},
        {"status": {"allowed": "oui"}},
    ]
    for said in spoilt:
        with pytest.raises(AccessError):
            answers.shaped(said, answers.AccessReview, SERVER)


class Endless:
    """A response that goes on."""

    closed = False

    def read1(self, size: int, decode_content: bool) -> bytes:
        return b" " * size

    def close(self) -> None:
        self.closed = True


def test_an_endless_answer_is_not_read_to_its_end() -> None:
    response = Endless()
    with pytest.raises(AccessError, match="n’en finit pas"):
        answers.body(cast(urllib3.BaseHTTPResponse, response), SERVER)
    assert response.closed


def test_nor_is_an_endless_line() -> None:
    response = Endless()
    with pytest.raises(AccessError, match="n’en finit pas"):
        next(answers.lines(cast(urllib3.BaseHTTPResponse, response), SERVER, 60))
    assert response.closed


def test_lines_are_awaited_for_so_long_only() -> None:
    response = Endless()
    with pytest.raises(AccessError, match="n’en finit pas"):
        next(answers.lines(cast(urllib3.BaseHTTPResponse, response), SERVER, 0))
    assert response.closed


def test_the_lines_of_an_answer_come_whole() -> None:
    coming = [b"un\ndeu", b"x\ncoup", b""]

    class Parts:
        def read1(self, size: int, decode_content: bool) -> bytes:
            return coming.pop(0)

    assert [*answers.lines(cast(urllib3.BaseHTTPResponse, Parts()), SERVER, 60)] == [
        b"un",
        b"deux",
        b"coup",
    ]
