"""A class on the local cluster: namespaces, and what each learner has handed in."""

from __future__ import annotations

import copy
import csv
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from checks.access.kubernetes_api import Api, collection
from checks.errors import CahierError
from checks.lab import find_lab
from checks.local_sspcloud import people, services
from checks.local_sspcloud.services.description import Order
from checks.stage import rename

PREFIX = "mesure-"
"""Begins the name of every learner made here: what an interrupted run has left is known by it."""
_AT_ONCE = 16  # requests, when namespaces are made or removed
_READY_SECONDS = 240.0
_GONE_SECONDS = 300.0

OnStep = Callable[[int], None]
"""Told how many learners are done."""


@dataclass(frozen=True)
class Learner:
    """One learner of the class; `number` chooses what they have handed in."""

    number: int
    name: str
    colleague: str
    third: str

    @property
    def namespace(self) -> str:
        """Their own."""
        return people.namespace_of(self.name)


# Each third of the class is at another lab on sharing; they would contradict each other in one
# namespace.
_SHARING = (("tp4", "solution"), ("tp6", "solution"), ("tp8", "solution"))
_SHARED_WRONG = (("tp4", "solution"), ("tp6", "verbes_de_trop"), ("tp8", "solution"))
_RELAYS = (("tp5", "solution"), ("tp7", "solution"), ("tp5", "nom_court"), ("tp7", "sans_limites"))


def work(number: int) -> Sequence[tuple[str, str]]:
    """Labs that a learner has handed in, beside a database: the solution, or one of the corpus's
    mistakes."""
    api = "mauvaise_etiquette" if number % 5 == 1 else "solution"
    sharing = (_SHARED_WRONG if number // 3 % 2 else _SHARING)[number % 3]
    relay = (_RELAYS[number // 3 % 4],) if number % 3 == 0 else ()
    return (("tp2", api), sharing, *relay)


def objects(learner: Learner) -> Iterator[dict[str, Any]]:
    """Everything that a learner has made in their namespace."""
    base, service = find_lab("tp6").about.story.database, services.find("postgresql")
    order = Order(learner.namespace, base, False, learner.namespace, service.database)
    yield from map(dict, service.manifests(order))
    for name, state in work(learner.number):
        lab = find_lab(name)
        files = lab.files(state) if state == "solution" else lab.case_files("erreurs", state)
        for text in files.values():
            told = rename(
                text,
                lab.about.story,
                learner.namespace,
                people.namespace_of(learner.colleague),
                None,
            )
            told = told.replace("user-chloe", people.namespace_of(learner.third))
            told = told.replace("oidc-chloe", people.user_of(learner.third))
            yield from yaml.safe_load_all(told)


@dataclass
class Classroom:
    """Learners made on a cluster, until `remove`. `started`: whether their pods run."""

    api: Api
    started: bool
    learners: list[Learner] = field(default_factory=list)
    _token: str = field(default_factory=lambda: secrets.token_hex(2))

    def grow(self, size: int, on_step: OnStep) -> None:
        """Make learners until there are `size`, each the colleague of the one before. Raises
        CahierError."""
        names = [f"{PREFIX}{self._token}-{number}" for number in range(size)]
        new = [
            Learner(number, names[number], names[(number + 1) % size], names[(number + 2) % size])
            for number in range(len(self.learners), size)
        ]
        self.learners += new
        _each(new, self._make, on_step)

    def _make(self, learner: Learner) -> None:
        people.create_namespace(self.api, learner.name)
        items = list(objects(learner))
        uids: dict[str, str] = {}
        for item in lightened(items) if self.started else unstarted(items):
            path, name = collection(item["kind"], learner.namespace), item["metadata"]["name"]
            for end in item.get("endpoints", ()):
                end["targetRef"]["uid"] = uids[end["targetRef"]["name"]]
            uids[name] = self.api.request("POST", path, item)["metadata"]["uid"]
            if "status" in item:
                status = {"status": item["status"]}
                self.api.request(
                    "PATCH",
                    f"{path}/{name}/status",
                    status,
                    content_type="application/merge-patch+json",
                )

    def set_ready(self, learner: Learner, ready: bool) -> None:
        """Say that the pod of a learner's API is ready, or not, where nothing is started. Raises
        CahierError."""
        path = collection("Pod", learner.namespace)
        (pod,) = self.api.objects("Pod", path, {"labelSelector": "app=mon-api"})
        for one in (*pod["status"]["containerStatuses"], *pod["status"]["conditions"]):
            if "ready" in one:
                one["ready"] = ready
            elif one["type"] == "Ready":
                one["status"] = str(ready)
        told = {name: pod["status"][name] for name in ("conditions", "containerStatuses")}
        self.api.request(
            "PATCH",
            f"{path}/{pod['metadata']['name']}/status",
            {"status": told},
            content_type="application/merge-patch+json",
        )

    def wait_ready(self, on_step: OnStep) -> int:
        """Wait until every pod of the class is ready; how many there are. Raises CahierError."""
        own = {learner.namespace for learner in self.learners}
        deadline = time.monotonic() + _READY_SECONDS
        while True:
            pods = [
                pod for pod in self.api.everywhere("Pod") if pod["metadata"]["namespace"] in own
            ]
            ready = [pod for pod in pods if _is_ready(pod)]
            on_step(len({pod["metadata"]["namespace"] for pod in ready}))
            if pods and len(pods) == len(ready):
                return len(pods)
            if time.monotonic() > deadline:
                raise CahierError(
                    f"{len(pods) - len(ready)} pods de la classe, sur {len(pods)}, ne sont pas "
                    "prêts à temps.",
                    "Le nœud n’a pas la place de tous : mesurez une classe plus petite avec "
                    "--personnes.",
                )
            time.sleep(1)

    def roster(self, folder: Path, size: int) -> Path:
        """The class list of the first `size` learners, as `noter` reads it."""
        path = folder / f"classe-{size}.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["identifiant", "nom", "prenom", "email", "namespace", "collegue"])
            for one in self.learners[:size]:
                colleague = people.namespace_of(one.colleague)
                rows.writerow(
                    [
                        one.name,
                        one.name,
                        "Personne",
                        f"{one.name}@example.org",
                        one.namespace,
                        colleague,
                    ]
                )
        return path

    def remove(self, on_step: OnStep) -> None:
        """Ask for the removal of every namespace that was made or begun; the cluster empties them
        afterwards."""
        _each(self.learners, lambda learner: people.remove_person(self.api, learner.name), on_step)
        self.learners.clear()


def _each(learners: Sequence[Learner], act: Callable[[Learner], None], on_step: OnStep) -> None:
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="mesure") as pool:
        try:
            running = [pool.submit(act, learner) for learner in learners]
            for count, done in enumerate(as_completed(running), 1):
                done.result()
                on_step(count)
        except BaseException:
            # nothing may be made after the removal has begun
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def leftovers(api: Api) -> Sequence[str]:
    """Names of learners that an interrupted run has left, those that are being removed included."""
    start = people.namespace_of(PREFIX)
    names = (item["metadata"]["name"] for item in api.everywhere("Namespace"))
    return [name.removeprefix(people.namespace_of("")) for name in names if name.startswith(start)]


def clear(api: Api, on_step: OnStep) -> None:
    """Remove what is left and wait until it is gone. Raises CahierError."""
    left = found = leftovers(api)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(lambda name: people.remove_person(api, name), found))
    deadline = time.monotonic() + _GONE_SECONDS
    while left:
        if time.monotonic() > deadline:
            raise CahierError(
                f"{len(left)} namespaces d’une ancienne mesure n’en finissent pas d’être supprimés."
            )
        time.sleep(1)
        left = leftovers(api)
        on_step(len(found) - len(left))


def lightened(items: Iterable[dict[str, Any]]) -> Sequence[dict[str, Any]]:
    """The same, whose containers reserve hardly any processor: a whole class fits on a node of two
    cores."""
    made = [copy.deepcopy(item) for item in items]
    for item in made:
        spec = item.get("spec", {})
        for box in spec.get("template", {}).get("spec", spec).get("containers", ()):
            if "cpu" in box.get("resources", {}).get("requests", {}):
                box["resources"]["requests"]["cpu"] = "1m"
    return made


# -- objects of which nothing is started -----------------------------------------------------------


def unstarted(items: Iterable[Mapping[str, Any]]) -> Sequence[dict[str, Any]]:
    """The same for a namespace without running pods, the pods first.

    A pod is kept from the scheduler by a gate, and its status says what it would say if it ran. A
    Deployment asks for no pod; the one that it would have made is beside it. A Service has the
    EndpointSlice that it would have.
    """
    pods: list[dict[str, Any]] = []
    others: list[dict[str, Any]] = []
    for item in items:
        made = copy.deepcopy(dict(item))
        if made["kind"] == "Pod":
            pods.append(_gated(made))
            continue
        if made["kind"] == "Deployment":
            made["spec"]["replicas"] = 0
            template = copy.deepcopy(made["spec"]["template"])
            template["metadata"]["name"] = f"{made['metadata']['name']}-0"
            pods.append(_gated({"apiVersion": "v1", "kind": "Pod", **template}))
        others.append(made)
    return [*pods, *others, *(_slice(one, pods) for one in others if one["kind"] == "Service")]


def _slice(service: Mapping[str, Any], pods: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    wanted = service["spec"]["selector"].items()
    chosen = [
        pod["metadata"]["name"] for pod in pods if wanted <= pod["metadata"]["labels"].items()
    ]
    name = service["metadata"]["name"]
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": f"{name}-mesure", "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4",
        "ports": [{"port": port["targetPort"]} for port in service["spec"]["ports"]],
        "endpoints": [
            {"addresses": ["192.0.2.1"], "targetRef": {"kind": "Pod", "name": pod}}
            for pod in chosen
        ],
    }


def _gated(pod: dict[str, Any]) -> dict[str, Any]:
    pod["spec"]["schedulingGates"] = [{"name": "cahier.local/mesure"}]
    pod["status"] = {
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "True"}],
        "containerStatuses": [
            {
                "name": box["name"],
                "image": box["image"],
                "imageID": box["image"],
                "ready": True,
                "restartCount": 0,
                "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}},
            }
            for box in pod["spec"]["containers"]
        ],
    }
    return pod


def _is_ready(pod: Mapping[str, Any]) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
