"""Les vérifications du TP 7 : un relais que le cluster remplace, et des clients qui passent toujours."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import yaml

from checks.diagnosis.connections.sockets import listening
from checks.diagnosis.databases.catalogue import server_in
from checks.diagnosis.databases.colleague_base import TheirBase, launched, their_base
from checks.diagnosis.databases.relay_failures import (
    Unanswered,
    misdirected,
    too_few_clients,
    unanswered,
)
from checks.diagnosis.databases.relay_manifest import Target, listens, targets
from checks.diagnosis.databases.relays import Stranger, served, stranger
from checks.diagnosis.policies.decision import Peer, decide
from checks.diagnosis.workloads import deployments
from checks.diagnosis.workloads.deployments import Deployment, rolled_out
from checks.diagnosis.workloads.objects import named
from checks.diagnosis.workloads.readiness import not_ready
from checks.errors import Unverifiable
from checks.exchange.postgres import NotPostgres
from checks.facts import Cluster, ForwardRefused, Pod, lasting_containers
from checks.verdict import Diagnostic
from checks.verification import verification

from . import service_in_front
from .breakages import Missing, Stopped, replaced, require_replacing, restarted
from .health_probes import deadly, hollow, patience
from .service_in_front import Front

PROXY = "pg-proxy"
PORT = 5432
_ROLE = "relais"
_FILE = "proxy.yaml"
_APPLY = "Appliquez ensuite de nouveau proxy.yaml."
_THEN = "Écrivez ceci, puis : kubectl apply -f proxy.yaml"


def relay(cluster: Cluster) -> Deployment:
    """The relay's Deployment, once it is known to exist."""
    return deployments.find(cluster, PROXY)


def _targets(cluster: Cluster) -> Sequence[Target]:
    """Where the relay leads, as far as its manifest tells."""
    return [target for pod in relay(cluster).pods[:1] for target in targets(cluster, pod)]


def _front(cluster: Cluster) -> Front | None:
    """The Service before the relay."""
    service = named(cluster, "Service", PROXY)
    return Front(service, PORT, relay(cluster)) if service else None


def _serving(cluster: Cluster) -> Mapping[str, int]:
    """The port on which each pod of the relay gets the Service's clients, by the pod's name."""
    front = _front(cluster)
    return {one.pod: one.port for one in service_in_front.endpoints(cluster, front)} if front else {}


def _address(cluster: Cluster) -> str:
    """The relay as a client of the namespace may write it; without the cluster's own domain, which may be another."""
    return f"{PROXY}.{cluster.namespace}.svc:{PORT}"


def _listened(cluster: Cluster, pod: Pod) -> int:
    """The port of the pod on which the relay waits for its clients, as the pod itself tells."""
    ports: frozenset[int] = frozenset()
    with contextlib.suppress(Unverifiable):
        ports = listening(cluster, pod.name)
    return PORT if PORT in ports or not ports else min(ports)


# -- remedies ------------------------------------------------------------------------------------------------------


def _solution(cluster: Cluster) -> tuple[str, ...]:
    base = _base(cluster)
    if not base.release:  # a relay towards nothing would repair nothing
        return ()
    place, there = cluster.namespace, cluster.colleague.namespace
    return (
        *launched(cluster, base),
        f"cahier solution tp7 --namespace {place} --collegue {there} --base {base.release} --appliquer",
        rolled_out(cluster, PROXY),
    )


def again(cluster: Cluster) -> tuple[str, ...]:
    """The common remedy: the solution, towards the colleague's database; the Deployment is made anew where it takes
    that."""
    made = _solution(cluster)
    if not made or deployments.replaceable(cluster, PROXY, {"app": PROXY}):
        return made
    return (deployments.deleted(cluster, PROXY), *made)


def _base(cluster: Cluster) -> TheirBase:
    """The colleague's database."""
    return their_base(cluster, _targets(cluster) if named(cluster, "Deployment", PROXY) else ())


def _probed(cluster: Cluster, pod: Pod, kind: str, box: Mapping[str, Any]) -> tuple[str, str]:
    """A TCP probe of the port where the relay listens, to be written as the `kind` of a container."""
    line = f"{kind}: {{tcpSocket: {{port: {_listened(cluster, pod)}}}}}"
    return deployments.to_write(_FILE, box["name"], line)


def _exposed(cluster: Cluster, pod: Pod) -> tuple[str, ...]:
    """The Service to be written before the Deployment as it is, whatever its labels and port."""
    labels = yaml.safe_dump(dict(relay(cluster).labels), default_flow_style=True, width=float("inf")).strip()
    return (
        f"# {_FILE}, Service {PROXY} :",
        "spec:",
        f"  selector: {labels}",
        f"  ports: [{{port: {PORT}, targetPort: {_listened(cluster, pod)}}}]",
    )


def _service_again(cluster: Cluster) -> tuple[str, ...]:
    """The common remedy, and the Service made anew: its address cannot be changed, and `apply` leaves labels that it
    did not write."""
    made = again(cluster)
    return (f"kubectl delete service {PROXY} -n {cluster.namespace} --ignore-not-found", *made) if made else ()


# -- the manifest --------------------------------------------------------------------------------------------------


@verification(points=1)
def un_deployment_pg_proxy_existe(cluster: Cluster) -> Diagnostic | None:
    """Un Deployment « pg-proxy » demande au moins un pod dans votre namespace."""
    if named(cluster, "Deployment", PROXY) is not None:
        return deployments.asleep(cluster, PROXY, _FILE, again(cluster))
    instead = deployments.instead(cluster, PROXY, _ROLE)
    if instead is None:
        return _other_deployment(cluster)
    return replace(instead, commands=(*instead.commands, *_solution(cluster)))


def _other_deployment(cluster: Cluster) -> Diagnostic:
    """No Deployment of that name, perhaps one of another."""
    others = [
        str(item["metadata"]["name"])
        for item in cluster.objects("Deployment")
        if any("socat" in json.dumps(box) for box in lasting_containers(item["spec"]["template"]["spec"]))
    ]
    seen = f" Le Deployment {others[0]} utilise bien socat, mais porte un autre nom." if others else ""
    gone = (f"kubectl delete deployment {others[0]} -n {cluster.namespace} --cascade=foreground",) if others else ()
    return Diagnostic(
        finding=f"Aucun Deployment « {PROXY} » dans le namespace {cluster.namespace}.{seen}",
        cause="Le manifeste n’a pas été appliqué, ou l’a été dans un autre namespace ou sous un autre nom.",
        fix="Donnez-lui ce nom (metadata.name), supprimez l’ancien, puis appliquez : kubectl apply -f proxy.yaml"
        if others
        else "Appliquez votre manifeste : kubectl apply -f proxy.yaml",
        commands=(*gone, *_solution(cluster)),
        look=(f"kubectl get deployments,pods -n {cluster.namespace}",),
    )


@verification(points=1, after=un_deployment_pg_proxy_existe)
def l_image_porte_une_etiquette_precise(cluster: Cluster) -> Diagnostic | None:
    """L’image du relais porte une étiquette précise, la même à chaque redémarrage."""
    floating = deployments.floating_image(relay(cluster))
    if floating is None:
        return None
    container, image, told = floating
    return Diagnostic(
        finding=f"Le conteneur « {container} » du Deployment {PROXY} utilise l’image « {image} », {told}.",
        cause="C’est « la plus récente au moment du démarrage » : le pod qui remplace un pod perdu peut recevoir "
        "une autre version que lui ; et il la redemande au registre à chaque démarrage (imagePullPolicy: Always), "
        "même quand celui-ci limite les téléchargements.",
        fix=f"Il faut une étiquette de version après le nom de l’image. {_THEN if 'socat' in image else _APPLY}",
        lines=deployments.to_write(_FILE, container, "image: alpine/socat:1.7.4.4") if "socat" in image else (),
        commands=again(cluster),
        look=(f"kubectl get deployment {PROXY} -n {cluster.namespace} -o wide",),
    )


@verification(points=1, after=un_deployment_pg_proxy_existe)
def chaque_conteneur_dit_ses_ressources(cluster: Cluster) -> Diagnostic | None:
    """Chaque conteneur demande du processeur et de la mémoire, et se donne des limites.

    Lu sur les pods, tels que le cluster les a faits : ce qu’une valeur par défaut du namespace ajoute compte aussi.
    """
    lacking = deployments.without_resources(cluster, relay(cluster), _ROLE)
    if lacking is None:
        return None
    container, found = lacking
    return replace(
        found,
        fix=f"{found.fix} {_THEN}",
        lines=deployments.to_write(_FILE, container, deployments.RESOURCES),
        commands=again(cluster),
    )


# -- the pods ------------------------------------------------------------------------------------------------------


@verification(points=1, after=un_deployment_pg_proxy_existe)
def la_sonde_liveness_laisse_vivre_le_proxy(cluster: Cluster) -> Diagnostic | None:
    """Aucune sonde « liveness » ne tue un proxy qui fonctionne.

    Elle n’est pas obligatoire ; s’il y en a une, le vérificateur la joue lui-même sur chaque pod.
    """
    for pod in relay(cluster).pods:
        found = deadly(cluster, pod)
        if found is not None:
            return _deadly(cluster, pod, *found)
    return None


def _deadly(cluster: Cluster, pod: Pod, box: Mapping[str, Any], said: str) -> Diagnostic:
    seconds = patience(box["livenessProbe"])
    return Diagnostic(
        finding=f"La sonde « liveness » du conteneur « {box['name']} » échoue sur le pod {pod.name} : {said}.",
        cause=f"Le kubelet tue et redémarre le conteneur après {seconds} secondes d’échecs (periodSeconds × "
        "failureThreshold), même s’il sert très bien ses clients, et recommence sans fin : CrashLoopBackOff.",
        fix="Posez une question à laquelle socat peut répondre : une connexion TCP (tcpSocket) à son port d’écoute ; "
        f"ou retirez cette sonde. {_THEN}",
        lines=_probed(cluster, pod, "livenessProbe", box),
        commands=again(cluster),
        look=(f"kubectl describe pod {pod.name} -n {cluster.namespace}",),
        transient=not pod.ready,  # the program may not have opened its port yet
    )


@verification(points=1, after=un_deployment_pg_proxy_existe)
def les_pods_du_proxy_sont_prets(cluster: Cluster) -> Diagnostic | None:
    """Tous les pods que le Deployment demande sont prêts, dans leur dernière version."""
    found = relay(cluster)
    diagnostic = _creation_refused(cluster, found) or deployments.paused(cluster, found)
    if diagnostic is not None:
        return diagnostic
    for pod in found.pods:
        diagnostic = _serves_once(cluster, pod) or not_ready(cluster, pod, _APPLY, again(cluster))
        if diagnostic is not None:
            return diagnostic
    return deployments.settling(cluster, found)


def _creation_refused(cluster: Cluster, found: Deployment) -> Diagnostic | None:
    return deployments.creation_refused(cluster, found, _APPLY, again(cluster), _ROLE)


def _serves_once(cluster: Cluster, pod: Pod) -> Diagnostic | None:
    """A socat without `fork`, which the probe's own connection is enough to end."""
    for box in pod.containers:
        if box.exit_code == 0 and (not box.running or (box.restarts and _without_fork(pod))):
            return Diagnostic(
                finding=f"Le conteneur « {box.name} » du pod {pod.name} s’arrête sans erreur (code 0), puis redémarre "
                f": {box.restarts} redémarrage(s).",
                cause="socat n’attend qu’un seul client, le sert, puis se termine. La connexion d’une sonde en est un.",
                fix=f"Ajoutez l’option fork, qui crée un processus par client : TCP-LISTEN:{PORT},fork,reuseaddr. "
                f"{_APPLY}",
                commands=again(cluster),
                look=(f"kubectl get pods -n {cluster.namespace}",),
            )
    return None


def _without_fork(pod: Pod) -> bool:
    return any("fork" not in one for one in listens(pod))


@verification(points=1, after=les_pods_du_proxy_sont_prets)
def le_proxy_vise_la_base_du_collegue(cluster: Cluster) -> Diagnostic | None:
    """Le proxy relaie vers un Service du namespace de votre collègue.

    Un client passe par lui : le serveur atteint décide, quel que soit l’outil. Le manifeste ne sert qu’à expliquer
    pourquoi le chemin ne mène pas chez votre collègue.
    """
    for pod in relay(cluster).pods[:1]:  # all of them are made from one template
        wrong = misdirected(cluster, pod, lambda pod=pod: _stranger(cluster, pod))  # type: ignore[misc]
        if wrong is not None:
            return Diagnostic(
                finding=wrong.finding,
                cause=wrong.cause,
                fix=f"Visez NOM-rw.{cluster.colleague.namespace}.svc.cluster.local:{PORT}, où NOM est celui de la "
                f"base. {_APPLY}",
                commands=again(cluster),
                look=(f"kubectl describe deployment {PROXY} -n {cluster.namespace}",),
            )
    return None


def _stranger(cluster: Cluster, pod: Pod) -> Stranger | None:
    """None when the pod leads to the colleague's server. Raises NotPostgres or ForwardRefused, and Unverifiable."""
    port = _serving(cluster).get(pod.name) or _listened(cluster, pod)
    return stranger(cluster, pod, port, server_in(cluster, pod, port))


@verification(points=1, after=les_pods_du_proxy_sont_prets)
def une_sonde_dit_quand_le_proxy_sert(cluster: Cluster) -> Diagnostic | None:
    """Une sonde « readiness » dit quand un pod peut recevoir des clients.

    Une sonde par commande est essayée dans un pod à nous où rien n’écoute : elle doit y échouer.
    """
    for pod in relay(cluster).pods:
        boxes = lasting_containers(pod.raw["spec"])
        probes = [(box, box["readinessProbe"]) for box in boxes if box.get("readinessProbe")]
        if not probes:
            return Diagnostic(
                finding=f"Aucun conteneur du pod {pod.name} n’a de sonde « readiness » (readinessProbe).",
                cause="Sans elle, un pod est « prêt » dès que son conteneur démarre : le Service lui envoie des "
                "clients avant que socat n’écoute, et continue quand il n’écoute plus.",
                fix=f"Ajoutez au conteneur une sonde TCP sur son port d’écoute. {_THEN}",
                lines=_probed(cluster, pod, "readinessProbe", boxes[0]),
                commands=again(cluster),
                look=(f"kubectl describe pod {pod.name} -n {cluster.namespace}",),
            )
        for box, probe in probes:
            if "exec" in probe and hollow(cluster, probe["exec"]["command"], f"{PROXY}:{PORT}"):
                return _says_nothing(cluster, pod, box)
    return None


def _says_nothing(cluster: Cluster, pod: Pod, box: Mapping[str, Any]) -> Diagnostic:
    command = " ".join(box["readinessProbe"]["exec"]["command"])
    return Diagnostic(
        finding=f"La sonde « readiness » du conteneur « {box['name']} » (« {command} ») réussit aussi dans un pod où "
        "rien n’écoute.",
        cause="Une sonde qui réussit toujours déclare prêt un pod qui ne sert personne, et le Service lui envoie des "
        "clients.",
        fix=f"Interrogez le port d’écoute du relais (tcpSocket). {_THEN}",
        lines=_probed(cluster, pod, "readinessProbe", box),
        commands=again(cluster),
        look=(f"kubectl describe pod {pod.name} -n {cluster.namespace}",),
    )


# -- the Service ---------------------------------------------------------------------------------------------------


@verification(points=1, after=les_pods_du_proxy_sont_prets)
def le_service_mene_aux_pods_du_proxy(cluster: Cluster) -> Diagnostic | None:
    """Le Service « pg-proxy » mène aux pods du Deployment, à eux seuls, par son port 5432.

    Demandé au cluster lui-même : ses EndpointSlices disent à quels pods, et sur quel port, il envoie les clients.
    """
    found = relay(cluster)
    if not found.pods:
        raise Unverifiable(f"Les pods de {PROXY} ont disparu pendant la vérification.", "Relancez la commande.")
    front = _front(cluster)
    if front is None:
        return _no_service(cluster, found)
    wrong = service_in_front.selects_nothing(cluster, front, "proxy") or service_in_front.port_astray(
        cluster, front, "socat"
    )
    if wrong is not None:
        written = _exposed(cluster, found.pods[0])
        return replace(wrong, fix=f"{wrong.fix} {_THEN}", lines=written, commands=_service_again(cluster))
    astray = service_in_front.leads_elsewhere(cluster, front, {"relais": "durable"}) or service_in_front.unlinked(
        cluster, front
    )
    if astray is not None:
        return astray
    shut = service_in_front.closed(cluster, front)
    return _closed_port(cluster, *shut) if shut else None


def _no_service(cluster: Cluster, found: Deployment) -> Diagnostic:
    others = service_in_front.others_leading_to(cluster, found, PORT)
    seen = f" Le Service {others[0]} mène bien à ses pods, mais porte un autre nom." if others else ""
    return Diagnostic(
        finding=f"Aucun Service « {PROXY} » dans le namespace {cluster.namespace}.{seen}",
        cause="Un pod remplacé change de nom et d’adresse. Le Service est le nom qui reste, celui que vos clients "
        f"écrivent : {PROXY}:{PORT}.",
        fix=f"Il en faut un de ce nom (metadata.name), devant les pods du Deployment. {_THEN}",
        lines=_exposed(cluster, found.pods[0]),
        commands=again(cluster),
        look=(f"kubectl get services -n {cluster.namespace} -o wide",),
    )


def _closed_port(cluster: Cluster, pod: Pod, port: int) -> Diagnostic:
    heard = _listened(cluster, pod)
    seen = f" ; il écoute sur {heard}" if heard != port else ""
    return Diagnostic(
        finding=f"Le Service {PROXY} envoie ses clients sur le port {port} du pod {pod.name}, où rien n’écoute{seen}.",
        cause="« targetPort » est le port du pod. S’il est faux, le Service a bien des pods, mais chaque client est "
        "refusé.",
        fix=f"Mettez d’accord spec.ports.targetPort et le port de TCP-LISTEN. {_THEN}",
        lines=_exposed(cluster, pod),
        commands=_service_again(cluster),
        look=(f"kubectl describe service {PROXY} -n {cluster.namespace}",),
        transient=not seen,  # the container may be restarting
    )


# -- the way through -----------------------------------------------------------------------------------------------


@verification(points=1, after=(le_service_mene_aux_pods_du_proxy, le_proxy_vise_la_base_du_collegue))
def la_base_repond_a_travers_le_service(cluster: Cluster) -> Diagnostic | None:
    """À travers le Service, PostgreSQL répond à plusieurs clients à la fois.

    Un pod à nous, dans votre namespace, ouvre trois connexions en même temps vers pg-proxy:5432, puis une autre.
    """
    target = _address(cluster)
    with cluster.probe([target]) as probe:
        try:
            met = served(lambda: probe.connect(target))
        except (NotPostgres, ForwardRefused) as silence:
            blocked = probe.said(target)
            return _blocked(cluster, blocked) if blocked else _unanswered(cluster, str(silence))
    return too_few_clients(
        met,
        PROXY,
        f"Laissez-le servir tous ceux qui viennent, par exemple TCP-LISTEN:{PORT},fork,reuseaddr. {_APPLY}",
        again(cluster),
        (f"kubectl get pods -n {cluster.namespace}",),
    )


def _blocked(cluster: Cluster, said: str) -> Diagnostic:
    """A client of the namespace does not even get to the relay's pods."""
    place = cluster.namespace
    policies = cluster.objects("NetworkPolicy")
    port = next(iter(_serving(cluster).values()), PORT)
    closing = [decide(policies, pod, Peer(place), port) for pod in relay(cluster).pods]
    names = sorted({name for one in closing if one.allowed is False for name in one.selecting})
    reason = said.strip().splitlines()[-1].rpartition(" E ")[2]  # without socat's date and process
    seen = f" Les pods du proxy sont isolés par la NetworkPolicy {', '.join(names)}." if names else ""
    return Diagnostic(
        finding=f"Un pod de votre namespace n’atteint pas {PROXY}:{PORT} : {reason}.{seen}",
        cause="Une NetworkPolicy qui choisit un pod lui ferme tout ce qu’elle n’autorise pas, y compris vos propres "
        "clients."
        if names
        else "Le chemin s’arrête avant le relais : le cluster n’a pas encore suivi le dernier changement, ou un "
        "Service sans adresse (clusterIP: None) mène au pod sans traduire le port.",
        fix=f"Autorisez les pods de {place} à joindre le port {port} du proxy, ou retirez cette NetworkPolicy, de "
        "votre fichier aussi."
        if names
        else f"Faites écouter le relais sur {PORT} ou donnez une adresse au Service. {_APPLY}",
        commands=(f"kubectl delete networkpolicy {' '.join(names)} -n {place}",) if names else _service_again(cluster),
        look=(f"kubectl get networkpolicies,services -n {place}",),
        transient=not names,
    )


def _unanswered(cluster: Cluster, silence: str) -> Diagnostic:
    lab = Unanswered(
        unresolved="Le nom n’est cherché qu’à l’arrivée d’un client : les pods restent prêts malgré l’erreur.",
        fix=f"Demandez à votre collègue le résultat de « kubectl get svc », corrigez le nom et le port. {_APPLY}",
        commands=again(cluster),
        look=(f"kubectl logs deployment/{PROXY} -n {cluster.namespace}",),
        settling=True,
    )
    return unanswered(cluster, relay(cluster).pods, silence, lab)


@verification(points=1, after=la_base_repond_a_travers_le_service)
def chaque_pod_mene_au_serveur_du_collegue(cluster: Cluster) -> Diagnostic | None:
    """Chaque pod du proxy mène au serveur de votre collègue.

    Deux serveurs PostgreSQL se distinguent sans mot de passe, par leur empreinte. Là où l’accès de votre collègue est
    à portée de main, elle est lue aussi chez lui ; ailleurs, les connexions du pod et le DNS du cluster disent chez qui
    est l’adresse jointe.
    """
    colleague = cluster.colleague.namespace
    try:
        for pod in relay(cluster).pods:
            found = _stranger(cluster, pod)
            if found is not None:
                which = f"du namespace « {found.namespace} », pas de « {colleague} »"
                none = f"qui n’est aucun de ceux de {colleague}"
                return _another_server(cluster, pod, which if found.namespace else none)
    except (NotPostgres, ForwardRefused) as silence:
        raise Unverifiable(
            f"Un serveur a cessé de répondre pendant la vérification ({silence}).", "Relancez."
        ) from None
    return None


def _another_server(cluster: Cluster, pod: Pod, which: str) -> Diagnostic:
    return Diagnostic(
        finding=f"Le pod {pod.name} mène à un serveur PostgreSQL {which}.",
        cause="PostgreSQL répond, donc tout semble marcher ; mais vos données iraient dans une autre base.",
        fix=f"Visez le Service de la base de {cluster.colleague.namespace}. {_APPLY}",
        commands=again(cluster),
        look=(f"kubectl describe deployment {PROXY} -n {cluster.namespace}",),
    )


# -- broken on purpose ---------------------------------------------------------------------------------------------

# What was tried on one version of the work, so that it is tried once only, however often the runner asks.
_RESTARTED: dict[str, Diagnostic | None] = {}
_REPLACED: set[tuple[str, str]] = set()


@verification(
    points=2,
    after=(
        chaque_pod_mene_au_serveur_du_collegue,
        la_sonde_liveness_laisse_vivre_le_proxy,
        une_sonde_dit_quand_le_proxy_sert,
    ),
)
def le_proxy_reprend_son_port_aussitot(cluster: Cluster) -> Diagnostic | None:
    """Redémarré alors qu’un client est connecté, le proxy reprend aussitôt son port.

    Le vérificateur tue exprès, une seule fois, le programme d’un des pods : le client connecté est coupé, et le
    conteneur redémarre dans le même pod, donc avec les mêmes ports.
    """
    found = relay(cluster)
    if found.version not in _RESTARTED:
        _RESTARTED[found.version] = _restart(cluster, found.pods[0])
    return _RESTARTED[found.version]


def _restart(cluster: Cluster, pod: Pod) -> Diagnostic | None:
    def explain(stopped: Stopped) -> Diagnostic | None:
        if stopped.port_held:
            return _port_held(cluster, pod, stopped.port_held)
        return not_ready(cluster, stopped.pod, _APPLY, again(cluster))

    return restarted(cluster, pod, _serving(cluster).get(pod.name, PORT), explain)


def _port_held(cluster: Cluster, pod: Pod, line: str) -> Diagnostic:
    return Diagnostic(
        finding=f"Arrêté pendant qu’un client était connecté, le conteneur du pod {pod.name} n’a pas pu redémarrer : "
        f"« {line} ».",
        cause="Après un arrêt, le noyau garde environ une minute les connexions qui viennent d’être coupées "
        "(TIME_WAIT), et refuse leur port à qui ne dit pas qu’il accepte de le partager avec elles. Jusque-là, le pod "
        "tourne en CrashLoopBackOff. (Le vérificateur vient de le remplacer.)",
        fix=f"Ajoutez l’option reuseaddr à TCP-LISTEN : TCP-LISTEN:{PORT},fork,reuseaddr. {_APPLY}",
        commands=again(cluster),
        look=(f"kubectl logs {pod.name} -n {cluster.namespace} --previous",),
    )


@verification(points=2, after=le_proxy_reprend_son_port_aussitot)
def le_proxy_revient_quand_son_pod_disparait(cluster: Cluster) -> Diagnostic | None:
    """Un pod perdu est remplacé, et les clients passent de nouveau par le Service.

    Le vérificateur supprime exprès, une seule fois, un pod du Deployment, jamais un Pod seul. Les connexions et les
    tunnels qui passaient par lui sont coupés, comme ils le seraient avec la perte d’un nœud.
    """
    service = named(cluster, "Service", PROXY)
    tried = (relay(cluster).version, str(service["metadata"]["resourceVersion"]) if service else "")
    if tried in _REPLACED:
        return None
    require_replacing(cluster)
    port = next(iter(_serving(cluster).values()), PORT)
    missing = replaced(cluster, PROXY, _address(cluster), port)
    if missing is not None:
        return _not_replaced(cluster, missing)
    _REPLACED.add(tried)
    return None


def _not_replaced(cluster: Cluster, missing: Missing) -> Diagnostic:
    found = relay(cluster)
    reasons = [_creation_refused(cluster, found), *(not_ready(cluster, pod, _APPLY) for pod in found.pods)]
    reason = next((one for one in reasons if one is not None), None)
    if reason is None:
        said = missing.unreached or "sans réponse"
        seen = f"ses pods sont revenus, mais les clients ne passent plus par le Service ({said})"
        cause = "Le Service ne suit pas les pods remplacés."
    else:
        seen = f"aucun autre ne le remplace. {reason.finding}"
        cause = reason.cause
    return Diagnostic(
        finding=f"Le pod {missing.lost.name} a été supprimé exprès ; {seen}",
        cause=f"{cause} Tant que l’ancien pod vivait, rien ne le montrait.",
        fix=reason.fix if reason else f"Comparez le sélecteur du Service et les étiquettes du modèle de pod. {_APPLY}",
        commands=again(cluster),
        look=(
            f"kubectl describe deployment {PROXY} -n {cluster.namespace}",
            f"kubectl get events -n {cluster.namespace} --sort-by=.lastTimestamp",
        ),
    )
