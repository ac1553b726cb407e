"""Where a local port really leads: who holds it, and which pod answers at the other end.

A kubectl whose pod is gone, or whose pod does not listen on the remote port, keeps the local port
open until the first client connects, then ends ("lost connection to pod": measured with 1.32 and
1.37). Connecting therefore destroys what we want to explain: what the command line alone decides is
told before any connection.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from socket import socket
from typing import TypeVar

from checks.capabilities import Cluster
from checks.diagnosis.connections.sockets import Connection, Window, window
from checks.diagnosis.connections.workplace import is_of_service
from checks.errors import Unverifiable
from checks.exchange.http import NotHttp
from checks.exchange.postgres import NotPostgres
from checks.facts import ForwardCommand, ForwardRefused, Listener, Pod
from checks.interruption import pause
from checks.objects.parts import named
from checks.verdict import Diagnostic
from checks.waiting import Deadline

# connections held open at once, then some more
_DRAWN = (
    (1, 1),
    (1, 2),
    (2, 1),
    (2, 2),
    (3, 1),
    (3, 2),
)
_PATIENCE = 3.0  # seconds: kubectl opens its streams a moment after we connect
_LEAVES = 1.0  # seconds for a pod that leaves its clients
_PAUSE = 0.2
_T = TypeVar("_T")
_LOOK = ("ps aux | grep port-forward",)


@dataclass(frozen=True)
class Ending:
    """What may have ended a tunnel besides what ends any: a sentence of the cause, and one of the
    remedy, French."""

    cause: str
    fix: str


@dataclass(frozen=True)
class Tunnel:
    """What is expected of a local port.

    `pods`: where it should lead, none where that is not known. `speak` makes one real exchange on a
    connection and raises NotHttp or NotPostgres. `ending` is asked where no tunnel is open any
    more.
    """

    local_port: int
    pods: Sequence[Pod]
    port: int
    speak: Callable[[socket], object]
    service: str
    ending: Callable[[], Ending | None] = lambda: None

    @property
    def command(self) -> str:
        """The command that opens it, left running in the background."""
        pod = self.pods[0]
        return (
            f"kubectl port-forward pod/{pod.name} {self.local_port}:{self.port} -n {pod.namespace} "
            "&"
        )

    @property
    def commands(self) -> tuple[str, ...]:
        """The same; none where nobody knows where it should lead."""
        return (self.command,) if self.pods else ()

    @property
    def fix(self) -> str:
        """The remedy in words."""
        names = ", ".join(pod.name for pod in self.pods)
        choice = f" Un seul suffit, vers l’un de ces pods : {names}." if len(self.pods) > 1 else ""
        return f"Ouvrez le tunnel dans un second terminal et laissez-le ouvert.{choice}"


def nobody_listens(cluster: Cluster, tunnel: Tunnel) -> Diagnostic | None:
    """None when something listens on the local port, on an address that a client reaches."""
    return _nobody_among(cluster.machine.listeners(tunnel.local_port), cluster, tunnel)


def _nobody_among(
    listeners: Sequence[Listener], cluster: Cluster, tunnel: Tunnel
) -> Diagnostic | None:
    if any(_is_ipv4(listener) for listener in listeners):
        return None
    if listeners and all(listener.address in ("::1", "::") for listener in listeners):
        if all(listener.address == "::" and listener.forward is None for listener in listeners):
            return None  # most programs that listen on :: take IPv4 too; kubectl does not
        return _other_address(
            tunnel,
            listeners,
            f"Le tunnel n’écoute que sur ::1 (IPv6), pas sur 127.0.0.1:{tunnel.local_port}.",
            "« localhost » a deux adresses ; beaucoup de clients n’essaient que 127.0.0.1 (IPv4).",
        )
    with contextlib.suppress(OSError), cluster.machine.connect(tunnel.local_port):
        return None  # another user's process: psutil shows none, a connection does
    if listeners:
        addresses = ", ".join(sorted({listener.address for listener in listeners}))
        return _other_address(
            tunnel,
            listeners,
            f"Le port {tunnel.local_port} est ouvert sur {addresses}, pas sur localhost.",
            "Un client qui vise localhost (127.0.0.1 ou ::1) n’atteint pas un tunnel ouvert avec "
            "une autre adresse (--address).",
        )
    ending = tunnel.ending()
    return Diagnostic(
        finding=f"Rien n’écoute sur localhost:{tunnel.local_port}.{_elsewhere(cluster, tunnel)}",
        cause="Un tunnel n’existe que tant que sa commande « kubectl port-forward » tourne : "
        "Ctrl-C, un terminal fermé, une veille ou la disparition de son pod y mettent fin."
        + (f" {ending.cause}" if ending else ""),
        fix=f"{tunnel.fix} {ending.fix}" if ending else tunnel.fix,
        commands=tunnel.commands,
        look=_LOOK,
    )


def leads_elsewhere(cluster: Cluster, tunnel: Tunnel) -> Diagnostic | None:
    """None when what answers on the local port is one of the expected pods, proven by its own
    connections."""
    listeners = cluster.machine.listeners(tunnel.local_port)
    nobody = _nobody_among(listeners, cluster, tunnel)
    if nobody is not None:
        return nobody
    listeners = reached(listeners)
    forward = next((listener.forward for listener in listeners if listener.forward), None)
    if forward is not None:
        wrong = _certainly_wrong(cluster, tunnel, listeners, forward)
        if wrong is not None:
            return wrong
    try:
        with cluster.machine.connect(tunnel.local_port) as connection:
            connection.settimeout(8)
            tunnel.speak(connection)
    except (NotHttp, NotPostgres, OSError) as silence:
        return silent(cluster, tunnel, listeners, forward, str(silence))
    try:
        if _answering(cluster, tunnel.local_port, tunnel.pods, tunnel.port):
            return None
    except OSError as silence:
        return silent(cluster, tunnel, listeners, forward, str(silence))
    except Unverifiable:
        # The pod cannot be looked into: its image has no shell. The command line is what is left.
        if forward is not None and forward.namespace == cluster.namespace:
            return _probably_wrong(cluster, tunnel, listeners, forward)
        raise Unverifiable(
            "Le pod qui répond n’a pas pu être reconnu : ni son image ni la commande du tunnel ne "
            "le montrent.",
            f"Rouvrez le tunnel en nommant le namespace : {tunnel.command}",
        ) from None
    return unexpected(cluster, tunnel, listeners, "", forward)


def reaches(cluster: Cluster, local_port: int, pod: Pod, port: int) -> bool:
    """Whether connections to the local port arrive in `pod` on `port`, from its own loopback.

    Raises Unverifiable where the pod cannot be looked into, OSError where nothing answers on the
    local port.
    """
    return _answering(cluster, local_port, (pod,), port) is not None


def _answering(cluster: Cluster, local_port: int, pods: Sequence[Pod], port: int) -> Pod | None:
    """The pod where connections to the local port arrive. Raises Unverifiable, OSError.

    What shows them is a program of the pod, of whom nothing is known: it has to follow a number
    that only we know.
    """
    with contextlib.ExitStack() as open_windows:
        windows: dict[str, tuple[Window, frozenset[Connection]]] = {}
        blind: Unverifiable | None = None
        for pod in pods:
            through = open_windows.enter_context(window(cluster, pod.name))
            try:
                windows[pod.name] = through, through.established()
            except Unverifiable as trouble:
                blind = trouble
        seen = [pod for pod in pods if pod.name in windows]
        found = _followed(cluster, local_port, seen, port, windows) if seen else None
    if found is None and blind is not None:
        raise blind
    return found


def _followed(
    cluster: Cluster,
    local_port: int,
    pods: Sequence[Pod],
    port: int,
    windows: Mapping[str, tuple[Window, frozenset[Connection]]],
) -> Pod | None:
    """The one of the pods that shows as many connections more as we open, told by what each showed
    before. Raises as above."""

    def arrived(pod: Pod) -> int:
        through, before = windows[pod.name]
        new = through.established() - before
        return len([item for item in new if item.local_port == port and item.from_loopback])

    first, more = random.choice(_DRAWN)
    with contextlib.ExitStack() as held:
        for _ in range(first):
            held.enter_context(cluster.machine.connect(local_port))
        found = _until(
            lambda: next(((pod, count) for pod in pods if (count := arrived(pod)) >= first), None)
        )
        if found is None:
            return None
        pod, others = found[0], found[1] - first  # somebody else may use the tunnel too
        for _ in range(more):
            held.enter_context(cluster.machine.connect(local_port))
        total = others + first + more
        if _until(lambda: arrived(pod) == total or None) and arrived(pod) == total:
            return pod
    raise Unverifiable(
        f"Les connexions que montre le pod {pod.name} ne sont pas celles que nous ouvrons "
        f": {first}, puis {more} de plus.",
        "Si un autre client se sert du tunnel, attendez qu’il ait fini ; sinon, c’est le "
        "programme « cat » de l’image qui ne montre pas ce qui est : prenez celle du TP.",
    )


def lets_in(cluster: Cluster, local_port: int, pod: Pod, port: int) -> bool:
    """Whether clients of the local port enter a pod that leaves them at once: they are gone before
    one looks, but the pod remembers them. False where the tunnel stops at its first client, as
    kubectl does once the pod that it had chosen is gone.

    Raises Unverifiable where neither is seen.
    """
    before: frozenset[Connection] | None = None
    deadline = Deadline(_PATIENCE)
    with window(cluster, pod.name) as through:
        with contextlib.suppress(Unverifiable):
            before = through.met()
        while True:
            try:
                with cluster.machine.connect(local_port) as connection:
                    connection.settimeout(_LEAVES)
                    with contextlib.suppress(OSError):
                        connection.recv(1)
            except OSError:
                return False
            if before is not None:
                new = through.met() - before
                if any(one.local_port == port and one.from_loopback for one in new):
                    return True
            if deadline.passed:
                break
            pause(_PAUSE)
    if before is None:
        return True  # it has outlived its clients
    raise Unverifiable(
        f"Rien ne montre si le tunnel de localhost:{local_port} mène au pod {pod.name}, qui quitte "
        "aussitôt ses clients.",
        "Fermez-le, et rouvrez-le.",
    )


def _until(look: Callable[[], _T | None]) -> _T | None:
    """What `look` finds, asked again for a moment."""
    deadline = Deadline(_PATIENCE)
    while (found := look()) is None and not deadline.passed:
        pass
    return found


def _is_ipv4(listener: Listener) -> bool:
    return listener.address in ("127.0.0.1", "0.0.0.0")


def reached(listeners: Sequence[Listener]) -> Sequence[Listener]:
    """Those whom a client of 127.0.0.1 reaches, the most precise address first; else those of ::1.

    kubectl opens a port on ::1 alone where another program already holds it on 127.0.0.1.
    """
    for address in ("127.0.0.1", "0.0.0.0", "::", "::1"):
        found = [listener for listener in listeners if listener.address == address]
        if found:
            return found
    return listeners


def _elsewhere(cluster: Cluster, tunnel: Tunnel) -> str:
    """A tunnel of the learner's that was opened on another local port than the lab's."""
    pairs = [
        pair
        for forward in cluster.machine.forwards()
        if forward.namespace in (cluster.namespace, "")
        for pair in forward.ports.items()
    ]
    for local, remote in pairs:
        if local == tunnel.port != remote:
            return (
                f" (Un de vos tunnels relie le port {local} de votre poste au port {remote} du pod "
                ": ses deux nombres sont inversés.)"
            )
    ports = [local for local, remote in pairs if remote == tunnel.port]
    if not ports:
        return ""
    if is_of_service(cluster, ports[0]):
        return (
            f" (Un de vos tunnels vise le port local {ports[0]}, que ce service occupe déjà : "
            "choisissez-en un autre.)"
        )
    return (
        f" (Un de vos tunnels écoute sur {ports[0]} : si c’est voulu, ajoutez --port {ports[0]}.)"
    )


def closing(listeners: Sequence[Listener]) -> tuple[str, ...]:
    """Commands that end the learner's own tunnels, which may have ended meanwhile; nothing else is
    ours to end."""
    tunnels = sorted({item.pid for item in listeners if item.pid is not None and item.forward})
    return tuple(f"kill {pid} 2>/dev/null || true" for pid in tunnels)


def _other_address(
    tunnel: Tunnel, listeners: Sequence[Listener], finding: str, cause: str
) -> Diagnostic:
    return Diagnostic(
        finding=finding,
        cause=cause,
        fix=f"Fermez ce tunnel et rouvrez-le sans --address. {tunnel.fix}",
        commands=(*closing(listeners), *tunnel.commands),
        look=_LOOK,
    )


def _not_a_tunnel(
    cluster: Cluster, tunnel: Tunnel, listeners: Sequence[Listener], said: str
) -> Diagnostic:
    names = sorted({f"{item.process} (processus {item.pid})" for item in listeners if item.process})
    who = ", ".join(names) or "un programme d’un autre compte"
    detail = f" : {said}" if said else ""
    other = tunnel.local_port + (10000 if tunnel.local_port < 50000 else -10000)
    if is_of_service(cluster, tunnel.local_port):
        return Diagnostic(
            finding=f"Le port {tunnel.local_port} est celui où ce service sert sa propre page "
            f"(VSCode, par exemple) : c’est {who} qui répond, et non {tunnel.service}.",
            cause="« Votre poste » est ici le conteneur du service, et deux programmes ne peuvent "
            "pas écouter sur le même port.",
            fix="N’arrêtez pas ce programme : votre page se fermerait. Choisissez un autre port "
            f"local, par exemple {other}, et vérifiez avec --port {other}.",
            commands=(*closing(listeners), *_on_another_port(tunnel, other)),
            look=_LOOK,
        )
    return Diagnostic(
        finding=f"Le port {tunnel.local_port} est tenu par {who}, qui n’est pas un tunnel vers "
        f"{tunnel.service}{detail}.",
        cause="Deux programmes ne peuvent pas écouter sur le même port : votre client parle à "
        "l’autre.",
        fix="Arrêtez ce programme si c’est possible ; sinon choisissez un autre port local, par "
        f"exemple {other}, et vérifiez avec --port {other}.",
        commands=_on_another_port(tunnel, other),
        look=("ss -ltnp   (Windows : netstat -ano)",),
    )


def _on_another_port(tunnel: Tunnel, port: int) -> tuple[str, ...]:
    return tuple(one.replace(f" {tunnel.local_port}:", f" {port}:") for one in tunnel.commands)


def _certainly_wrong(
    cluster: Cluster, tunnel: Tunnel, listeners: Sequence[Listener], forward: ForwardCommand
) -> Diagnostic | None:
    """What the command line alone decides: the namespace it names, the pod it names, the port of
    the pod."""
    names = [pod.name for pod in tunnel.pods]
    if forward.namespace_given and forward.namespace != cluster.namespace:
        return _other_namespace(cluster, tunnel, listeners, forward)
    if forward.kind == "pod" and forward.name not in names:
        if forward.namespace not in (cluster.namespace, ""):
            return _other_namespace(cluster, tunnel, listeners, forward)
        return _other_pod(cluster, tunnel, listeners, forward)
    remote = forward.ports.get(tunnel.local_port)
    if forward.kind != "service" and remote is not None and remote != tunnel.port:
        return _other_port(cluster, tunnel, listeners, forward, remote)
    return None


def _probably_wrong(
    cluster: Cluster, tunnel: Tunnel, listeners: Sequence[Listener], forward: ForwardCommand
) -> Diagnostic | None:
    """What explains a tunnel that does not lead to the pod: its context's namespace, its Service,
    its Deployment.

    Each of them may have changed since the tunnel was opened, so none is told before the exchange
    has failed.
    """
    if forward.namespace and forward.namespace != cluster.namespace:
        return _other_namespace(cluster, tunnel, listeners, forward)
    chosen = selected(cluster, forward)
    expected = {pod.name for pod in tunnel.pods}
    if chosen and not expected & {pod.name for pod in chosen}:
        found = ", ".join(pod.name for pod in chosen)
        return Diagnostic(
            finding=f"Le tunnel de localhost:{tunnel.local_port} vise "
            f"{forward.kind}/{forward.name}, qui mène au pod {found}, pas à {tunnel.service} "
            f"({', '.join(sorted(expected))}).",
            cause="Un Service ou un Deployment choisit ses pods d’après leurs étiquettes "
            "(selector).",
            fix=f"Fermez ce tunnel et rouvrez-le vers votre pod. {tunnel.fix}",
            commands=(*closing(listeners), tunnel.command),
            look=(f"kubectl describe {forward.kind} {forward.name} -n {cluster.namespace}",),
        )
    remote = forward.ports.get(tunnel.local_port)
    if forward.kind == "service" and remote is not None:
        target = target_port(cluster, forward.name, remote, tunnel.pods)
        if target is not None and target != tunnel.port:
            return _other_port(cluster, tunnel, listeners, forward, target)
    return None


def selected(cluster: Cluster, forward: ForwardCommand) -> Sequence[Pod]:
    """Pods that the Service or Deployment of the tunnel selects now; empty when that cannot be
    told."""
    labels: Mapping[str, str] = {}
    if forward.kind == "service":
        service = named(cluster.services(), forward.name)
        labels = service.spec.selector if service else {}
    elif forward.kind in ("deployment", "replicaset"):
        of_kind = cluster.deployments if forward.kind == "deployment" else cluster.replica_sets
        keeper = named(of_kind(), forward.name)
        labels = keeper.spec.selector.match_labels if keeper else {}
    return cluster.pods(labels) if labels else ()


def target_port(cluster: Cluster, service: str, port: int, pods: Sequence[Pod]) -> int | None:
    """The pod's port behind a Service's; None when it cannot be told. kubectl translates no port of
    a headless one."""
    found = named(cluster.services(), service)
    if found is None:
        return None
    entry = next((one for one in found.spec.ports if one.port == port), None)
    if entry is None or found.is_headless:
        return port if found.is_headless else None
    if isinstance(entry.target, int):
        return entry.target
    return pods[0].port_named(entry.target, entry.protocol) if pods else None


def _other_namespace(
    cluster: Cluster, tunnel: Tunnel, listeners: Sequence[Listener], forward: ForwardCommand
) -> Diagnostic:
    return Diagnostic(
        finding=f"Le tunnel de localhost:{tunnel.local_port} mène à {forward.kind}/{forward.name} "
        f"dans le namespace {forward.namespace}, pas dans {cluster.namespace}.",
        cause="Le même nom peut exister dans plusieurs namespaces : kubectl prend celui du "
        "contexte, ou de -n.",
        fix=f"Fermez ce tunnel et rouvrez-le vers votre pod. {tunnel.fix}",
        commands=(*closing(listeners), tunnel.command),
        look=(*_LOOK, f"kubectl get pods -n {cluster.namespace}"),
    )


def _other_pod(
    cluster: Cluster, tunnel: Tunnel, listeners: Sequence[Listener], forward: ForwardCommand
) -> Diagnostic:
    names = ", ".join(pod.name for pod in tunnel.pods)
    aimed = cluster.pod(forward.name)
    replaced = aimed is None or aimed.deleting
    if aimed is None:
        state = ", qui n’existe plus."
    elif aimed.deleting:
        state = ", qui est en cours de suppression."
    else:
        state = f", qui n’est pas celui de {tunnel.service} ({names})."
    return Diagnostic(
        finding=f"Le tunnel de localhost:{tunnel.local_port} vise le pod {forward.name}{state}",
        cause="Un tunnel reste attaché au pod choisi à son ouverture, même quand un autre le "
        "remplace."
        if replaced
        else "Un tunnel mène à un seul pod, celui qui est nommé.",
        fix=f"Fermez ce tunnel et rouvrez-le vers votre pod. {tunnel.fix}",
        commands=(*closing(listeners), tunnel.command),
        look=(*_LOOK, f"kubectl get pods -n {cluster.namespace}"),
    )


def _other_port(
    cluster: Cluster,
    tunnel: Tunnel,
    listeners: Sequence[Listener],
    forward: ForwardCommand,
    remote: int,
) -> Diagnostic:
    through = "pod" if forward.kind == "pod" else f"pod choisi par {forward.kind}"
    service = named(cluster.services(), forward.name) if forward.kind == "service" else None
    if service is None:
        cause = (
            "L’ordre est PORT_LOCAL:PORT_DU_POD : le second est celui sur lequel le conteneur "
            "écoute."
        )
    elif service.is_headless:
        cause = (
            "Un Service sans adresse (clusterIP: None) ne traduit aucun port, quel que soit son "
            "targetPort : le second nombre est celui du pod."
        )
    else:
        cause = (
            "Devant un Service, le second nombre est le port du Service, qui le traduit en port du "
            "pod (targetPort)."
        )
    return Diagnostic(
        finding=f"Le tunnel relie localhost:{tunnel.local_port} au port {remote} du {through} "
        f"{forward.name} ; {tunnel.service} écoute sur {tunnel.port}.",
        cause=cause,
        fix=f"Fermez ce tunnel et rouvrez-le vers le bon port. {tunnel.fix}",
        commands=(*closing(listeners), tunnel.command),
        look=(*_LOOK, f"kubectl get pods -n {cluster.namespace}"),
    )


def unexpected(
    cluster: Cluster,
    tunnel: Tunnel,
    listeners: Sequence[Listener],
    said: str,
    forward: ForwardCommand | None = None,
) -> Diagnostic:
    """What holds the port, and is not the tunnel that is expected: another program, or the tunnel
    `forward`, whose connections arrive in none of the pods."""
    if forward is None:
        return _not_a_tunnel(cluster, tunnel, listeners, said)
    return _probably_wrong(cluster, tunnel, listeners, forward) or _another(
        cluster, tunnel, listeners, forward
    )


def silent(
    cluster: Cluster,
    tunnel: Tunnel,
    listeners: Sequence[Listener],
    forward: ForwardCommand | None,
    said: str,
) -> Diagnostic:
    """Something holds the port, but no exchange goes through."""
    if forward is None:
        return _not_a_tunnel(cluster, tunnel, listeners, said)
    wrong = _probably_wrong(cluster, tunnel, listeners, forward)
    if wrong is not None:
        return wrong
    pod = tunnel.pods[0]
    commands = (*closing(listeners), tunnel.command)
    try:
        with cluster.forward(pod.name, tunnel.port) as connection:
            tunnel.speak(connection)
    except (ForwardRefused, NotHttp, NotPostgres, OSError) as refused:
        unheard = isinstance(refused, ForwardRefused)
        if unheard or lets_in(cluster, tunnel.local_port, pod, tunnel.port):
            return Diagnostic(
                finding=f"Le tunnel de localhost:{tunnel.local_port} mène au pod {pod.name}, mais "
                f"rien n’y répond sur le port {tunnel.port} ({refused}).",
                cause="Un tunnel s’ouvre même si le conteneur n’écoute pas sur ce port.",
                fix=f"Faites écouter {tunnel.service} sur le port {tunnel.port}, puis rouvrez le "
                "tunnel.",
                commands=commands,
                look=(f"kubectl logs {pod.name} -n {cluster.namespace}",),
            )
        answers = ""
    else:
        answers = f" Le pod {pod.name}, lui, répond."
    return Diagnostic(
        finding=f"Le tunnel de localhost:{tunnel.local_port} vers {forward.kind}/{forward.name} "
        f"est mort : {said}.{answers}",
        cause="Un tunnel reste attaché au pod choisi à son ouverture, même quand un autre reprend "
        "son nom. Ce pod disparu, kubectl garde le port ouvert jusqu’au premier client, puis "
        "s’arrête (« lost connection to pod »).",
        fix=f"Fermez-le s’il tourne encore, et rouvrez-le. {tunnel.fix}",
        commands=commands,
        look=(*_LOOK, f"kubectl get pods -n {cluster.namespace}"),
    )


def _another(
    cluster: Cluster, tunnel: Tunnel, listeners: Sequence[Listener], forward: ForwardCommand
) -> Diagnostic:
    """Something answers, and it is none of the expected pods, whatever the command line says."""
    names = " ou ".join(pod.name for pod in tunnel.pods)
    here = f"du namespace {cluster.namespace}"
    return Diagnostic(
        finding=f"Ce qui répond sur localhost:{tunnel.local_port} n’est pas {names} {here} "
        f"(le tunnel vise {forward.kind}/{forward.name}).",
        cause="Un tunnel garde le cluster, le namespace et le pod choisis à son ouverture, même si "
        "votre contexte ou votre Service a changé depuis."
        if forward.kind in ("pod", "service")
        else "Un tunnel vers un Deployment choisit un pod à son ouverture et n’en change plus.",
        fix=f"Fermez-le et visez le pod. {tunnel.fix}",
        commands=(*closing(listeners), tunnel.command),
        look=(*_LOOK, f"kubectl get pods -n {cluster.namespace} -o wide"),
    )
