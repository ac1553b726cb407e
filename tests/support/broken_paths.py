"""Paths with faults drawn at random: what they are made of, and which hop is the first broken."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path as Folder
from typing import Any

from checks.capabilities import Cluster
from checks.diagnosis.connections.sockets import READ
from checks.path.outcome import Hop, Kind, Path
from checks.verdict import Status

RECORDED = Folder(__file__).parents[1] / "unit" / "path" / "village.json"

UNDECIDED = "non décidé"
PORT, OTHER_PORT, RELAY_PORT = 8000, 9000, 5000
SOCAT = "alpine/socat:1.7.4.4"

Object = Mapping[str, Any]


# -- the village: pods that each path may meet -----------------------------------------------------


def pod(name: str, listen: str, *, ready: bool = True, image: str = SOCAT) -> Object:
    """A pod whose program listens as socat's address says, "" for none."""
    box: dict[str, Any] = {
        "name": "serveur",
        "image": image,
        "ports": [{"containerPort": PORT, "name": "web"}],
        "args": [listen, "PIPE"] if listen else ["EXEC:sleep 3600", "PIPE"],
    }
    if not ready:
        box["readinessProbe"] = {"exec": {"command": ["false"]}, "periodSeconds": 1}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name, "village": "oui"}},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
            "containers": [box],
        },
    }


VILLAGE = (
    pod("sain", f"TCP-LISTEN:{PORT},fork,reuseaddr"),
    pod("boucle", f"TCP-LISTEN:{PORT},fork,reuseaddr,bind=127.0.0.1"),
    pod("boucle-6", f"TCP6-LISTEN:{PORT},fork,reuseaddr,bind=[::1]"),
    pod("sans-ipv4", f"TCP6-LISTEN:{PORT},fork,reuseaddr,ipv6only=1"),
    pod("ailleurs", f"TCP-LISTEN:{OTHER_PORT},fork,reuseaddr"),
    pod("sourd", ""),
    pod("pas-pret", f"TCP-LISTEN:{PORT},fork,reuseaddr", ready=False),
    pod("sans-image", f"TCP-LISTEN:{PORT},fork", image="alpine/socat:jamais"),
    pod("client", ""),
)


INSIDE = (Kind.NAME, Kind.SERVICE, Kind.POD, Kind.EGRESS, Kind.INGRESS, Kind.PROGRAM)
"""The hops of a path inside the cluster that may be broken, in their order."""
TUNNELLED = (Kind.LOCAL_PORT, Kind.TUNNEL, Kind.PROGRAM)
"""Those of a tunnel to a relay, which come before."""


@dataclass(frozen=True)
class Fault:
    """Something wrong: the hop where a path meets it, and its rank on the way. `place`: a part of
    how the hop is called."""

    name: str
    kind: Kind
    rank: int
    place: str = ""


@dataclass
class Scene:
    """A path that is drawn. `expected` None: it goes."""

    words: Sequence[str]
    objects: list[Object] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    forwarded: str = ""
    """What kubectl forwards, "" for nothing: `PORT:PORT of the relay`."""
    abandoned: bool = False
    """Whether the relay is replaced under the tunnel."""

    @property
    def expected(self) -> Fault | None:
        return min(self.faults, key=lambda one: one.rank, default=None)

    def __str__(self) -> str:
        wrong = ", ".join(one.name for one in self.faults) or "rien"
        return f"{' '.join(self.words)} [{wrong}]"


def policy(name: str, chosen: str, direction: str, rules: Sequence[Object]) -> Object:
    way = direction.lower()
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name},
        "spec": {
            "podSelector": {"matchLabels": {"app": chosen}} if chosen else {},
            "policyTypes": [direction],
            way: list(rules),
        },
    }


DNS = {"ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]}


class Drawing:
    """Draws a scene: a way to a pod of the village, and up to three faults of different hops."""

    def __init__(self, seed: str, namespace: str) -> None:
        self.random = random.Random(seed)
        self.namespace = namespace
        self.server = ""
        self.faults: list[Fault] = []
        self.objects: list[Object] = []

    def scene(self) -> Scene:
        choose = self.random.choice
        wanted = self.random.sample(INSIDE, choose((0, 1, 1, 1, 2, 2, 3)))
        by = choose(("service", "service", "host", "headless", "alias", "pod"))
        if by == "pod":
            wanted = [kind for kind in wanted if kind not in (Kind.NAME, Kind.SERVICE)]
        source = choose(("", "pod/client", "client"))
        destination = self._destination(by, wanted)
        chosen = "client" if source and choose((True, False)) else ""
        self._policies(wanted, chosen)
        words = [source, destination] if source else [destination]
        return Scene(words, self.objects, self.faults)

    def chain(self, port: int) -> Scene:
        """A port of this machine, a tunnel, a relay, then a way inside the cluster."""
        choose = self.random.choice
        wanted = self.random.sample(INSIDE, choose((0, 1, 1, 1, 2)))
        before = self.random.sample(TUNNELLED, choose((0, 0, 0, 1)))
        target = self._destination(choose(("host", "headless", "host")), wanted)
        if target.startswith("svc/"):
            target = target.removeprefix("svc/")
        target = target.replace("web", str(PORT)).removesuffix(".")
        self._policies(wanted, choose(("relais", "")))
        relay = pod("relais", f"TCP-LISTEN:{RELAY_PORT},fork,reuseaddr")
        relay["spec"]["containers"][0]["args"][1] = f"TCP:{target},connect-timeout=2"
        self.objects.append(relay)
        scene = Scene([f"localhost:{port}"], self.objects, self.faults)
        scene.forwarded = f"{port}:{RELAY_PORT}"
        if Kind.LOCAL_PORT in before:
            scene.forwarded = ""
        if Kind.TUNNEL in before:
            scene.abandoned = True
        if Kind.PROGRAM in before:
            scene.forwarded = f"{port}:{RELAY_PORT + 1}"
        for kind in before:
            place = "relais" if kind is Kind.PROGRAM else ""
            self.faults.append(Fault(f"tunnel {kind}", kind, TUNNELLED.index(kind), place))
        return scene

    def _fault(self, name: str, kind: Kind, place: str = "") -> None:
        self.faults.append(Fault(name, kind, len(TUNNELLED) + INSIDE.index(kind), place))

    def _server(self, wanted: Sequence[Kind], direct: bool) -> str:
        """The pod of the village that has the faults of a pod and of its program."""
        if Kind.POD in wanted:
            name = "sans-image" if direct else self.random.choice(("pas-pret", "sans-image"))
            self._fault(f"pod {name}", Kind.POD)
            return name
        if Kind.PROGRAM in wanted:
            name = self.random.choice(("boucle", "boucle-6", "sans-ipv4", "sourd"))
            self._fault(f"programme {name}", Kind.PROGRAM)
            return name
        return "sain"

    def _destination(self, by: str, wanted: Sequence[Kind]) -> str:
        self.server = self._server(wanted, by == "pod")
        if by == "pod":
            return f"pod/{self.server}:{self.random.choice((str(PORT), 'web'))}"
        return self._service(by, wanted)

    def _service(self, by: str, wanted: Sequence[Kind]) -> str:
        choose = self.random.choice
        port, target, selector = 80, choose((PORT, "web")), {"app": self.server}
        asked: int | str = 80
        headless = by == "headless"
        if headless:
            asked = port = PORT
        if Kind.SERVICE in wanted:
            how = choose(("selector", "port") if headless else ("selector", "port", "target"))
            if how == "selector":
                selector = {"app": choose(("sains", self.server.upper()))}
            elif how == "target" or headless:
                # only a program that listens elsewhere shows that the Service is at fault
                self.server, selector = "sain", {"app": "sain"}
                self.faults = [one for one in self.faults if one.kind is Kind.NAME]
                target = OTHER_PORT
                asked = OTHER_PORT if headless else 80
            else:
                asked = 81
            self._fault(f"Service {how}", Kind.SERVICE)
        spec: dict[str, Any] = {
            "selector": selector,
            "ports": [{"port": port, "targetPort": target, "name": "entree"}],
        }
        if headless:
            spec["clusterIP"] = "None"
        self.objects.append(
            {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "chemin"}, "spec": spec}
        )
        name = "chemin"
        if by == "alias":
            other = f"chemin.{self.namespace}.svc.cluster.local"
            alias = {"type": "ExternalName", "externalName": other}
            metadata = {"name": "alias"}
            self.objects.append(
                {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": alias}
            )
            name = "alias"
        if Kind.NAME in wanted:
            name = choose(("chemins", f"chemin-{self.random.randrange(100)}"))
            self._fault(f"nom {name}", Kind.NAME)
        if by == "host":
            end = choose(("", ".svc", ".svc.cluster.local", ".svc.cluster.local."))
            return f"{name}.{self.namespace}{end}:{asked}"
        return f"svc/{name}:{asked}"

    def _policies(self, wanted: Sequence[Kind], chosen: str) -> None:
        """Those of `chosen`, "" for all, and of the pod where one goes."""
        choose = self.random.choice
        village = {"podSelector": {"matchLabels": {"village": "oui"}}}
        if Kind.EGRESS in wanted:
            # what the DNS answers is known before what the network does of the connection
            stranger = {"podSelector": {"matchLabels": {"app": "x"}}}
            held: Sequence[Sequence[Object]] = ([DNS], [DNS, {"to": [stranger]}])
            rules = choose(held)
            self.objects.append(policy("sortie", chosen, "Egress", rules))
            self._fault("sortie fermée", Kind.EGRESS)
        elif choose((True, False, False)):
            self.objects.append(policy("sortie", chosen, "Egress", [DNS, {"to": [village]}]))
        if Kind.INGRESS in wanted:
            rules = choose(
                (
                    [],
                    [{"ports": [{"port": 1}]}],
                    [{"from": [{"podSelector": {"matchLabels": {"app": "x"}}}]}],
                )
            )
            self.objects.append(policy("entree", self.server, "Ingress", rules))
            self._fault("entrée fermée", Kind.INGRESS)
        elif choose((True, False, False)):
            self.objects.append(policy("entree", "", "Ingress", [{"from": [{"podSelector": {}}]}]))


# -- what is said of them --------------------------------------------------------------------------


def amiss(scene: Scene, found: Path) -> str:
    """What is wrong with what was said of a path, "" for nothing."""
    broken, expected = found.broken, scene.expected
    if broken is None and expected is None and found.status is Status.PASSED:
        return ""
    if broken is not None and _is_at(broken, expected):
        return ""
    undecided = next((one for one in found.hops if one.status is Status.UNVERIFIED), None)
    if broken is None and undecided is not None:
        return ""
    named = f"{broken.id} ({broken.place})" if broken is not None else "rien de faux"
    return f"{scene} : {expected} attendu, {named} trouvé"


def _is_at(broken: Hop, expected: Fault | None) -> bool:
    return expected is not None and broken.id is expected.kind and expected.place in broken.place


def column(found: Path) -> str:
    if found.broken is not None:
        return str(found.broken.id)
    return "passe" if found.status is Status.PASSED else UNDECIDED


# -- the village, recorded -------------------------------------------------------------------------


def recorded(cluster: Cluster) -> dict[str, Any]:
    """The pods of the village as the API gives them, what it warns of them, and what each that runs
    shows of its sockets."""
    pods, events = ([dict(one) for one in cluster.objects(kind)] for kind in ("Pod", "Event"))
    for one in (*pods, *events):
        one["metadata"] = {**one["metadata"]}
        one["metadata"].pop("managedFields", None)
    running = [one.name for one in cluster.pods() if any(box.running for box in one.containers)]
    return {
        "namespace": cluster.namespace,
        "pods": pods,
        "events": [one for one in events if one["type"] == "Warning"],
        "tables": {name: cluster.execute(name, ["sh", "-c", READ]) for name in running},
    }


def shape(village: Mapping[str, Any]) -> Mapping[str, Any]:
    """What does not change from one village to another: who is ready, who listens where."""
    ready = {
        one["metadata"]["name"]: [
            condition["status"]
            for condition in one["status"]["conditions"]
            if condition["type"] == "Ready"
        ]
        for one in village["pods"]
    }
    ports = {name: sorted(_listening(table)) for name, table in village["tables"].items()}
    return {"ready": ready, "ports": ports}


def _listening(table: str) -> Iterator[str]:
    """Addresses and ports that listen, as the kernel writes them."""
    for line in table.splitlines():
        words = line.split()
        if len(words) > 3 and words[3] == "0A":  # TCP_LISTEN, include/net/tcp_states.h
            yield words[1]
