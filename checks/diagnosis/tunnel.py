"""Where a local port really leads: who holds it, and which pod answers at the other end."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from socket import socket

from checks.diagnosis.sockets import established
from checks.errors import Unverifiable
from checks.exchange.http import NotHttp
from checks.exchange.postgres import NotPostgres
from checks.facts import Cluster, ForwardCommand, Listener, Pod
from checks.verdict import Diagnostic

_HELD = 2  # connections held open at once to recognise them in the pod
_LOOKS = 4  # times the pod's connections are read: kubectl opens its streams a moment after we connect


@dataclass(frozen=True)
class Tunnel:
    """What a lab expects of a local port.

    `speak` makes one real exchange on a connection and raises NotHttp or NotPostgres.
    """

    local_port: int
    pods: Sequence[Pod]
    port: int
    speak: Callable[[socket], object]
    service: str

    @property
    def command(self) -> str:
        """The command that opens it, left running in the background."""
        pod = self.pods[0]
        return f"kubectl port-forward pod/{pod.name} {self.local_port}:{self.port} -n {pod.namespace} &"

    @property
    def fix(self) -> str:
        """The remedy in words."""
        return "Ouvrez le tunnel dans un second terminal et laissez-le ouvert."


def nobody_listens(cluster: Cluster, tunnel: Tunnel) -> Diagnostic | None:
    """None when something listens on the local port, on an address that a client reaches."""
    listeners = cluster.machine.listeners(tunnel.local_port)
    look = ("ps aux | grep port-forward",)
    if not listeners:
        with contextlib.suppress(OSError), cluster.machine.connect(tunnel.local_port):
            return None  # another user's process: psutil shows none, a connection does
        return Diagnostic(
            finding=f"Rien n’écoute sur localhost:{tunnel.local_port}.{_elsewhere(cluster, tunnel)}",
            cause="Un tunnel n’existe que tant que sa commande « kubectl port-forward » tourne : "
            "Ctrl-C, un terminal fermé ou une veille y mettent fin.",
            fix=tunnel.fix,
            commands=(tunnel.command,),
            look=look,
        )
    try:
        cluster.machine.connect(tunnel.local_port).close()
    except OSError:
        addresses = ", ".join(sorted({listener.address for listener in listeners}))
        return Diagnostic(
            finding=f"Le port {tunnel.local_port} est ouvert sur {addresses}, pas sur localhost.",
            cause="Un client qui vise localhost (127.0.0.1 ou ::1) n’atteint pas un tunnel ouvert avec une autre "
            "adresse (--address).",
            fix=f"Fermez ce tunnel et rouvrez-le sans --address. {tunnel.fix}",
            commands=(*_closing(listeners), tunnel.command),
            look=look,
        )
    return None


def leads_elsewhere(cluster: Cluster, tunnel: Tunnel) -> Diagnostic | None:
    """None when what answers on the local port is one of the expected pods, proven by its own connections."""
    listeners = cluster.machine.listeners(tunnel.local_port)
    if _ipv6_only(listeners):
        return Diagnostic(
            finding=f"Le tunnel n’écoute que sur ::1 (IPv6), pas sur 127.0.0.1:{tunnel.local_port}.",
            cause="« localhost » a deux adresses ; beaucoup de clients n’essaient que 127.0.0.1 (IPv4).",
            fix=f"Fermez ce tunnel et rouvrez-le sans --address. {tunnel.fix}",
            commands=(*_closing(listeners), tunnel.command),
            look=("ps aux | grep port-forward",),
        )
    try:
        with cluster.machine.connect(tunnel.local_port) as connection:
            connection.settimeout(8)
            tunnel.speak(connection)
    except (NotHttp, NotPostgres, OSError) as silence:
        return _silent(cluster, tunnel, listeners, str(silence))
    for pod in tunnel.pods:
        with contextlib.suppress(Unverifiable):
            if reaches(cluster, tunnel.local_port, pod, tunnel.port):
                return None
    return _another(cluster, tunnel, listeners)


def reaches(cluster: Cluster, local_port: int, pod: Pod, port: int) -> bool:
    """Whether connections to the local port arrive in `pod` on `port`, from its own loopback.

    Raises Unverifiable where the pod cannot be looked into.
    """
    before = established(cluster, pod.name)
    with contextlib.ExitStack() as held:
        for _ in range(_HELD):
            held.enter_context(cluster.machine.connect(local_port))
        for _ in range(_LOOKS):
            arrived = [
                connection
                for connection in established(cluster, pod.name) - before
                if connection.local_port == port and connection.from_loopback
            ]
            if len(arrived) >= _HELD:
                return True
    return False


def _elsewhere(cluster: Cluster, tunnel: Tunnel) -> str:
    ports = [
        local
        for forward in cluster.machine.forwards()
        for local, remote in forward.ports.items()
        if remote == tunnel.port and forward.namespace == cluster.namespace
    ]
    if not ports:
        return ""
    return f" (Un de vos tunnels écoute sur {ports[0]} : si c’est voulu, ajoutez --port {ports[0]}.)"


def _ipv6_only(listeners: Sequence[Listener]) -> bool:
    return bool(listeners) and all(listener.address == "::1" for listener in listeners)


def _closing(listeners: Sequence[Listener]) -> tuple[str, ...]:
    """Commands that end the learner's own tunnels; anything else on the port is not ours to end."""
    return tuple(
        f"kill {pid}" for pid in sorted({item.pid for item in listeners if item.pid is not None and item.forward})
    )


def _forward(listeners: Sequence[Listener]) -> ForwardCommand | None:
    return next((listener.forward for listener in listeners if listener.forward), None)


def _silent(cluster: Cluster, tunnel: Tunnel, listeners: Sequence[Listener], said: str) -> Diagnostic:
    forward = _forward(listeners)
    if forward is None:
        return _not_a_tunnel(tunnel, listeners, said)
    wrong = _wrong_target(cluster, tunnel, listeners, forward)
    if wrong is not None:
        return wrong
    commands = (*_closing(listeners), tunnel.command)
    try:
        with cluster.forward(tunnel.pods[0].name, tunnel.port) as connection:
            tunnel.speak(connection)
    except Exception as refused:
        return Diagnostic(
            finding=f"Le tunnel de localhost:{tunnel.local_port} mène au pod {tunnel.pods[0].name}, mais rien n’y "
            f"répond sur le port {tunnel.port} ({refused}).",
            cause="Un tunnel s’ouvre même si le conteneur n’écoute pas sur ce port.",
            fix=f"Faites écouter {tunnel.service} sur le port {tunnel.port}, puis rouvrez le tunnel.",
            commands=commands,
            look=(f"kubectl logs {tunnel.pods[0].name} -n {cluster.namespace}",),
        )
    return Diagnostic(
        finding=f"Le tunnel de localhost:{tunnel.local_port} est mort : il écoute encore, mais {said}.",
        cause="Un tunnel reste attaché au pod choisi à son ouverture. Quand ce pod disparaît, kubectl garde parfois "
        "le port sans rien transmettre.",
        fix=f"Fermez-le et rouvrez-le. {tunnel.fix}",
        commands=commands,
        look=("ps aux | grep port-forward", f"kubectl get pods -n {cluster.namespace}"),
    )


def _another(cluster: Cluster, tunnel: Tunnel, listeners: Sequence[Listener]) -> Diagnostic | None:
    forward = _forward(listeners)
    if forward is None:
        return _not_a_tunnel(tunnel, listeners, "")
    wrong = _wrong_target(cluster, tunnel, listeners, forward)
    if wrong is not None:
        return wrong
    if forward.namespace == cluster.namespace and _can_look_into(cluster, tunnel):
        return _pinned_elsewhere(cluster, tunnel, listeners, forward)
    if not forward.namespace:
        raise Unverifiable(
            "Le pod qui répond n’a pas pu être reconnu : ni son image ni la commande du tunnel ne le montrent.",
            f"Rouvrez le tunnel en nommant le namespace : {tunnel.command}",
        )
    return None  # the pod cannot be looked into, but the command line names it


def _can_look_into(cluster: Cluster, tunnel: Tunnel) -> bool:
    try:
        established(cluster, tunnel.pods[0].name)
    except Unverifiable:
        return False
    return True


def _pinned_elsewhere(
    cluster: Cluster, tunnel: Tunnel, listeners: Sequence[Listener], forward: ForwardCommand
) -> Diagnostic:
    names = " ou ".join(pod.name for pod in tunnel.pods)
    return Diagnostic(
        finding=f"Ce qui répond sur localhost:{tunnel.local_port} n’est pas {names} "
        f"(le tunnel vise {forward.kind}/{forward.name}).",
        cause="Un tunnel vers un Service ou un Deployment choisit un pod à son ouverture et n’en change plus.",
        fix=f"Fermez-le et visez le pod. {tunnel.fix}",
        commands=(*_closing(listeners), tunnel.command),
        look=(f"kubectl get pods -n {cluster.namespace} -o wide",),
    )


def _not_a_tunnel(tunnel: Tunnel, listeners: Sequence[Listener], said: str) -> Diagnostic:
    names = sorted({f"{item.process} (processus {item.pid})" for item in listeners if item.process})
    who = ", ".join(names) or "un programme d’un autre compte"
    detail = f" : {said}" if said else ""
    other = tunnel.local_port + 10000
    return Diagnostic(
        finding=f"Le port {tunnel.local_port} est tenu par {who}, qui n’est pas un tunnel vers "
        f"{tunnel.service}{detail}.",
        cause="Deux programmes ne peuvent pas écouter sur le même port : votre client parle à l’autre.",
        fix=f"Arrêtez ce programme si c’est possible ; sinon choisissez un autre port local, par exemple {other}, et "
        f"vérifiez avec --port {other}.",
        commands=(tunnel.command.replace(f" {tunnel.local_port}:", f" {other}:"),),
        look=("ss -ltnp   (Windows : netstat -ano)",),
    )


def _wrong_target(
    cluster: Cluster, tunnel: Tunnel, listeners: Sequence[Listener], forward: ForwardCommand
) -> Diagnostic | None:
    commands = (*_closing(listeners), tunnel.command)
    look = ("ps aux | grep port-forward", f"kubectl get pods -n {cluster.namespace}")
    target = f"{forward.kind}/{forward.name}"
    if forward.namespace and forward.namespace != cluster.namespace:
        return Diagnostic(
            finding=f"Le tunnel de localhost:{tunnel.local_port} mène à {target} dans le namespace "
            f"{forward.namespace}, pas dans {cluster.namespace}.",
            cause="Le même nom peut exister dans plusieurs namespaces : kubectl prend celui du contexte, ou de -n.",
            fix=f"Fermez ce tunnel et rouvrez-le vers votre pod. {tunnel.fix}",
            commands=commands,
            look=look,
        )
    names = [pod.name for pod in tunnel.pods]
    if forward.kind == "pod" and forward.name not in names:
        gone = cluster.pod(forward.name) is None
        return Diagnostic(
            finding=f"Le tunnel de localhost:{tunnel.local_port} vise le pod {forward.name}"
            + (", qui n’existe plus." if gone else f", qui n’est pas celui de {tunnel.service} ({', '.join(names)})."),
            cause="Un tunnel reste attaché au pod choisi à son ouverture, même quand un autre le remplace."
            if gone
            else "Un tunnel mène à un seul pod, celui qui est nommé.",
            fix=f"Fermez ce tunnel et rouvrez-le vers votre pod. {tunnel.fix}",
            commands=commands,
            look=look,
        )
    remote = forward.ports.get(tunnel.local_port)
    if forward.kind == "pod" and remote is not None and remote != tunnel.port:
        return Diagnostic(
            finding=f"Le tunnel relie localhost:{tunnel.local_port} au port {remote} du pod {forward.name} ; "
            f"{tunnel.service} écoute sur {tunnel.port}.",
            cause="L’ordre est PORT_LOCAL:PORT_DU_POD : le second est celui sur lequel le conteneur écoute.",
            fix=f"Fermez ce tunnel et rouvrez-le vers le bon port. {tunnel.fix}",
            commands=commands,
            look=look,
        )
    return None
