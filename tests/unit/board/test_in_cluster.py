"""The board of the cluster: what it is made of, what it keeps, and what is said of it."""

from __future__ import annotations

import base64
import copy
import http.client
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from checks.access.kubernetes_api import Api
from checks.board.in_cluster import launch, manifests, pod
from checks.board.in_cluster.launch import ClusterBoard
from checks.board.in_cluster.order import HISTORY, TOKEN, Order, order_of, unpack
from checks.board.in_cluster.place import Place
from checks.board.pace import Pace
from checks.cli.application import app
from checks.errors import AccessError, CahierError, Refused, UsageError
from checks.grading.history import Found, History
from checks.grading.in_cluster.order import FILE, OTHER_CODE
from checks.verdict import Status
from tests.support.watched_api import watched_api
from tests.support.watched_class import LABS, learners

NOON = datetime(2026, 3, 12, 12, tzinfo=UTC)
NAMES = ("ana", "bob")
OWNER = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "uid": "u"}}


# -- what it is made of ----------------------------------------------------------------------------


def test_only_the_secret_holds_the_names_and_the_word() -> None:
    order = msgspec.json.encode(order_of("2B.csv", learners(NAMES), LABS)).decode()
    made = manifests.belongings("suivre", "2b.suivi", order, "le-mot", OWNER)
    [secret] = [one for one in made if one["kind"] == "Secret"]
    told = {name: base64.b64decode(text).decode() for name, text in secret["data"].items()}
    assert told == {FILE: order, TOKEN: "le-mot"}
    deployment = manifests.deployment("suivre", "2b.suivi", "image:1", "contenu", 1)
    others = str([one for one in made if one is not secret]) + str(deployment)
    assert not any(word in others for word in ("Zoé", "Ana", "user-ana", "le-mot"))


def test_addresses_stay_with_the_teacher() -> None:
    order = order_of("2B.csv", learners(NAMES), LABS)
    assert "@" not in msgspec.json.encode(order).decode()
    again = msgspec.json.decode(msgspec.json.encode(order), type=Order)
    assert [one.name for one in again.learners] == [one.name for one in learners(NAMES)]


def test_all_goes_with_the_deployment() -> None:
    made = manifests.belongings("suivre", "2b.suivi", "{}", "le-mot", OWNER)
    assert {one["kind"] for one in made} == {"Secret", "ConfigMap", "Role", "RoleBinding"}
    for one in made:
        assert [own["uid"] for own in one["metadata"]["ownerReferences"]] == ["u"]
    [role] = [one for one in made if one["kind"] == "Role"]
    assert role["rules"] == [
        {
            "apiGroups": [""],
            "resources": ["configmaps"],
            "resourceNames": ["suivre"],
            "verbs": ["get", "patch"],
        }
    ]


def test_the_pod_may_do_nothing_else() -> None:
    spec = manifests.deployment("suivre", "2b.suivi", "image:1", "contenu", 1)["spec"]
    assert (spec["replicas"], spec["strategy"]["type"]) == (1, "Recreate")
    told = spec["template"]["spec"]
    assert told["securityContext"]["runAsNonRoot"]
    [container] = told["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"cpu", "memory"} == set(container["resources"]["limits"])
    assert {"cpu", "memory"} == set(container["resources"]["requests"])
    assert "ports" not in container  # it listens on its own loopback
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert "127.0.0.1" in str(container[probe])


# -- what it keeps ---------------------------------------------------------------------------------


class Shelf:
    """An API server that knows one ConfigMap, and refuses who has not read it as it is."""

    def __init__(self) -> None:
        self.item: dict[str, Any] = {
            "metadata": {"name": "suivre", "namespace": "user-prof", "resourceVersion": "1"}
        }
        self.credentials = type("_", (), {"namespace": "user-prof"})

    def request(
        self, method: str, path: str, body: Any = None, **_options: object
    ) -> dict[str, Any]:
        assert path.endswith("/user-prof/configmaps/suivre")
        metadata = self.item["metadata"]
        if method == "PATCH":
            if body["metadata"]["resourceVersion"] != metadata["resourceVersion"]:
                raise Refused("the object has been modified", "", 409)
            self.item["binaryData"] = body["binaryData"]
            metadata["resourceVersion"] = str(int(metadata["resourceVersion"]) + 1)
        return copy.deepcopy(self.item)

    @property
    def people(self) -> Sequence[str]:
        """Of whom it keeps something."""
        changes = unpack(base64.b64decode(self.item["binaryData"][HISTORY]))
        return sorted(one.person for one in changes)


def see(history: History, person: str, minutes: float, *, right: bool = True) -> None:
    status = Status.PASSED if right else Status.FAILED
    found = Found(status=status, decided=True, points="1" if right else "0", points_max="1")
    moment = NOON + timedelta(minutes=minutes)
    history.record(person, "tp2", {"a": found}, at=moment, seen_by="suivi")


def test_the_next_pod_takes_up_what_the_one_before_it_has_seen(tmp_path: Path) -> None:
    shelf: Any = Shelf()
    with History(tmp_path / "a") as first, History(tmp_path / "b") as second:
        place = Place(shelf, "suivre")
        place.restore(first)
        see(first, "ana", 0, right=False)
        see(first, "ana", 5)
        see(first, "ana", 9)
        place.publish(first)
        Place(shelf, "suivre").restore(second)
        assert second.of_class() == first.of_class()
        assert second.changes("ana", "tp2")[-1].last_seen == NOON + timedelta(minutes=9)


def test_what_has_not_changed_is_not_written_again(tmp_path: Path) -> None:
    shelf: Any = Shelf()
    with History(tmp_path / "a") as history:
        place = Place(shelf, "suivre")
        place.restore(history)
        see(history, "ana", 0)
        place.publish(history)
        version = shelf.item["metadata"]["resourceVersion"]
        place.publish(history)
        assert shelf.item["metadata"]["resourceVersion"] == version
        see(history, "ana", 1)  # still so, a minute later
        place.publish(history)
        assert shelf.item["metadata"]["resourceVersion"] != version


def test_a_pod_that_ends_late_takes_nothing_away(tmp_path: Path) -> None:
    """The new one has begun already: each writes, and what both have seen is there."""
    shelf: Any = Shelf()
    with History(tmp_path / "a") as old, History(tmp_path / "b") as new:
        one, other = Place(shelf, "suivre"), Place(shelf, "suivre")
        one.restore(old)
        other.restore(new)
        see(old, "ana", 0)
        see(new, "bob", 1)
        other.publish(new)
        one.publish(old)
        assert shelf.people == ["ana", "bob"]
        see(new, "chloe", 2)
        other.publish(new)
        assert shelf.people == ["ana", "bob", "chloe"]


def test_what_is_no_history_is_said(tmp_path: Path) -> None:
    shelf: Any = Shelf()
    shelf.item["binaryData"] = {HISTORY: base64.b64encode(b"autre chose").decode()}
    with History(tmp_path / "a") as history, pytest.raises(CahierError) as raised:
        Place(shelf, "suivre").restore(history)
    assert "ne contient pas l’historique" in raised.value.message
    assert "kubectl delete deployment suivre -n user-prof" in raised.value.remedy


# -- the pod ---------------------------------------------------------------------------------------


def test_the_pod_serves_a_tunnel_and_keeps_what_it_sees(
    tmp_path: Path, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pod, "PORT", free_port)
    shelf: Any = Shelf()
    answers: list[tuple[int, str]] = []

    def ask(host: str) -> tuple[int, str]:
        client = http.client.HTTPConnection("127.0.0.1", free_port, timeout=10)
        client.request("GET", "/le-mot/", headers={"Host": host})
        answer = client.getresponse()
        return answer.status, answer.read().decode()

    def look_then_end(_seconds: float) -> None:
        if not answers:
            hosts = ("127.0.0.1:41235", "localhost:80", "mechant.example:41235", "127.0.0.1")
            answers.extend(ask(host) for host in hosts)
        if judged():
            raise KeyboardInterrupt  # as SIGTERM does

    def judged() -> bool:
        return all((tmp_path / "historique.sqlite").exists() and one in seen() for one in NAMES)

    def seen() -> Sequence[str]:
        with History(tmp_path / "historique.sqlite") as history:
            return [person for person, _lab in history.of_class()]

    monkeypatch.setattr("checks.interruption.pause", look_then_end)
    with watched_api() as cluster:
        for name in NAMES:
            cluster.person(name)
        pace = Pace()
        api = Api(str(cluster.kubeconfig(tmp_path / "kubeconfig")), pace=pace)
        order = order_of("2B.csv", learners(NAMES), LABS)
        with pytest.raises(KeyboardInterrupt):
            pod.serve(order, "le-mot", api, pace, Place(shelf, "suivre"), tmp_path)
    assert [status for status, _page in answers] == [200, 200, 403, 403]
    assert "2B.csv" in answers[0][1]
    assert set(shelf.people) == set(NAMES)


# -- what is said of it ----------------------------------------------------------------------------


class Cluster:
    """An API server that holds a Deployment, and the pods that a test gives it."""

    def __init__(self, *pods: Mapping[str, Any], refused: str = "") -> None:
        self.pods = pods
        self.refused = refused

    def each(self, kind: Any, _of: str, _path: str, _query: Mapping[str, str]) -> Sequence[Any]:
        return [msgspec.convert(one, kind) for one in self.pods]

    def one(self, kind: Any, _path: str) -> Any:
        item = manifests.deployment("suivre", "2b.suivi", "image:1", "", 1)
        said = [{"type": "ReplicaFailure", "status": "True", "message": self.refused}]
        return msgspec.convert(
            {**item, "status": {"conditions": said if self.refused else []}}, kind
        )


def sight(*pods: Mapping[str, Any], refused: str = "") -> launch.Sight:
    api: Any = Cluster(*pods, refused=refused)
    return ClusterBoard(api, "user-prof", "2b").look()


def one_pod(
    state: Mapping[str, Any],
    *,
    restarts: int = 0,
    last: Mapping[str, Any] | None = None,
    phase: str = "Pending",
    **conditions: str,
) -> Mapping[str, Any]:
    status = {"name": "suivre", "state": state, "lastState": last or {}, "restartCount": restarts}
    return {
        "metadata": {"name": "suivre-1", "annotations": {manifests.CONTENT: ""}},
        "spec": {"containers": [{"name": "suivre", "image": "image:1"}]},
        "status": {
            "phase": phase,
            "containerStatuses": [status],
            "conditions": [
                {"type": kind, "status": value, "message": "0/1 nodes are available"}
                for kind, value in conditions.items()
            ],
        },
    }


def waiting(reason: str) -> Mapping[str, Any]:
    return {"waiting": {"reason": reason, "message": "not found"}}


def ended(code: int, message: str) -> Mapping[str, Any]:
    return {"terminated": {"exitCode": code, "reason": "Error", "message": message}}


def test_it_is_ready_once_its_own_pod_is() -> None:
    assert sight(one_pod({}, phase="Running", Ready="True")).ready
    assert not sight(one_pod({}, phase="Running", Ready="False")).ready
    before = copy.deepcopy(dict(one_pod({}, phase="Running", Ready="True")))
    before["metadata"]["annotations"][manifests.CONTENT] = "une liste d’avant"
    assert not sight(before).ready


def test_what_may_pass_is_a_note() -> None:
    assert sight().notes == []
    [note] = sight(one_pod(waiting("ErrImagePull"))).notes
    assert note == "ErrImagePull : not found"
    [note] = sight(one_pod({}, PodScheduled="False")).notes
    assert note == "Aucun nœud n’a de place pour le pod, il attend : 0/1 nodes are available"
    lost = ended(1, "Le serveur ne répond pas.")
    [note] = sight(one_pod(waiting("CrashLoopBackOff"), restarts=1, last=lost)).notes
    assert "en disant : Le serveur ne répond pas. ; il est relancé." in note


@pytest.mark.parametrize(
    ("pods", "refused", "said"),
    [
        ([one_pod(waiting("ImagePullBackOff"))], "", "n’a pas pu être téléchargée"),
        (
            [one_pod(waiting("CrashLoopBackOff"), restarts=1, last=ended(OTHER_CODE, ""))],
            "",
            "porte une autre version de cahier",
        ),
        (
            [one_pod(waiting("CrashLoopBackOff"), restarts=2, last=ended(1, "Adieu."))],
            "",
            "ne démarre pas dans le cluster : le pod s’est arrêté (code 1), en disant : Adieu.",
        ),
        ([], "exceeded quota: plein", "refuse les pods du tableau : exceeded quota: plein"),
    ],
)
def test_what_is_hopeless_is_said(
    pods: Sequence[Mapping[str, Any]], refused: str, said: str
) -> None:
    with pytest.raises(CahierError) as raised:
        sight(*pods, refused=refused)
    assert said in raised.value.message
    assert raised.value.remedy


def test_rights_that_are_missing_are_told_before_anything_is_made() -> None:
    class Closed:
        def ask(self, _path: str, shape: Any, _review: object) -> Any:
            return msgspec.convert({"status": {"allowed": False}}, shape)

    api: Any = Closed()
    with pytest.raises(AccessError) as raised:
        ClusterBoard(api, "user-prof", "2b").start(Order("", "", (), ()), "image:1")
    assert "« cahier-noter » de user-prof, qui suivra, n’a pas les droits" in raised.value.message
    assert "--serviceaccount=user-prof:cahier-noter" in raised.value.remedy


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--recuperer"], "--recuperer ne va qu’avec --dans-le-cluster"),
        (["--retirer"], "--retirer ne va qu’avec --dans-le-cluster"),
        (["--image", "x"], "--image ne va qu’avec --dans-le-cluster"),
        (["--namespace", "x"], "--namespace ne va qu’avec --dans-le-cluster"),
        (["--terminal"], "--dans-le-cluster et --terminal ne vont pas ensemble"),
        (["--moodle"], "--dans-le-cluster et --moodle ne vont pas ensemble"),
        (["--recuperer", "--retirer"], "--recuperer et --retirer ne vont pas ensemble"),
    ],
)
def test_options_that_do_not_go_together(options: list[str], said: str, tmp_path: Path) -> None:
    alone = "ne va qu’avec" in said
    words = [] if alone else ["--dans-le-cluster"]
    result = CliRunner().invoke(app, ["classe", "suivre", "classe.csv", *words, *options])
    assert isinstance(result.exception, UsageError)
    assert said in result.exception.message
