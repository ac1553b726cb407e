"""Les vérifications du TP 7 : un relais que le cluster remplace, et des clients qui passent toujours."""

from __future__ import annotations

import contextlib
import json
import re
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from checks.diagnosis.databases import databases, ready_pods, server_in
from checks.diagnosis.dns import require_dns
from checks.diagnosis.pods import not_ready
from checks.diagnosis.policies import Peer, decide
from checks.diagnosis.relays import Target, targets
from checks.diagnosis.sockets import established, listening
from checks.errors import Unverifiable
from checks.exchange.http import NotHttp, get
from checks.exchange.postgres import NotPostgres, PostgresServer, identify, is_postgres
from checks.facts import Cluster, ForwardRefused, Pod, Probe
from checks.verdict import Diagnostic
from checks.verification import verification

PROXY = "pg-proxy"
PORT = 5432
_APPLY = "Appliquez ensuite de nouveau proxy.yaml."
_RESTART_SECONDS = 30.0  # a container is restarted within one or two on an idle machine
_REPLACE_SECONDS = 45.0  # a new pod may have to pull its image
_REFUSED_SECONDS = 8.0  # a quota needs a moment to see that a pod has gone
_PAUSE = 0.3


# -- the Deployment and what it has made ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Relay:
    """The Deployment, the pods of its newest version, and those that older versions have left."""

    raw: Mapping[str, Any]
    version: str
    pods: tuple[Pod, ...]
    older: tuple[Pod, ...]

    @property
    def wanted(self) -> int:
        """How many pods it asks for."""
        return int(self.raw["spec"].get("replicas", 1))

    @property
    def template(self) -> Mapping[str, Any]:
        """What each of its pods is made from."""
        spec: Mapping[str, Any] = self.raw["spec"]["template"]["spec"]
        return spec


def _named(cluster: Cluster, kind: str, name: str) -> Mapping[str, Any] | None:
    return next((item for item in cluster.objects(kind) if item["metadata"]["name"] == name), None)


def _controller(item: Mapping[str, Any]) -> Mapping[str, Any]:
    owners = item["metadata"].get("ownerReferences") or ()
    return next((owner for owner in owners if owner.get("controller")), {})


def relay(cluster: Cluster) -> Relay:
    """The Deployment, once it is known to exist."""
    found = _named(cluster, "Deployment", PROXY)
    if found is None:
        raise Unverifiable(f"Le Deployment {PROXY} a disparu pendant la vérification.", "Relancez la commande.")
    owned = [one for one in cluster.objects("ReplicaSet") if _controller(one).get("uid") == found["metadata"]["uid"]]
    owned.sort(key=_revision)
    versions = [str(one["metadata"]["uid"]) for one in owned]
    newest = versions[-1] if versions else ""
    alive = [pod for pod in cluster.pods() if not pod.deleting and pod.phase not in ("Failed", "Succeeded")]
    makers = {pod.uid: _controller(pod.raw).get("uid") for pod in alive}
    return Relay(
        raw=found,
        version=newest,
        pods=tuple(pod for pod in alive if newest and makers[pod.uid] == newest),
        older=tuple(pod for pod in alive if makers[pod.uid] in versions[:-1]),
    )


def _revision(replica_set: Mapping[str, Any]) -> int:
    noted = (replica_set["metadata"].get("annotations") or {}).get("deployment.kubernetes.io/revision", "0")
    return int(noted) if noted.isdigit() else 0


def _words(pod: Pod) -> Sequence[str]:
    return [word for box in pod.containers for word in (*box.command, *box.args)]


# -- remedies ------------------------------------------------------------------------------------------------------


def _solution(cluster: Cluster, database: str = "") -> tuple[str, ...]:
    place, named = cluster.namespace, f" --base {database}" if database else ""
    return (
        f"cahier solution tp7 --namespace {place} --collegue {cluster.colleague.namespace}{named} --appliquer",
        _rolled_out(cluster),
    )


def _rolled_out(cluster: Cluster) -> str:
    return f"kubectl rollout status deployment/{PROXY} -n {cluster.namespace} --timeout=90s"


def again(cluster: Cluster) -> tuple[str, ...]:
    """The common remedy: make the Deployment anew from the solution, towards the colleague's database.

    It is deleted first: its selector cannot be changed, and `apply` leaves fields that it did not write.
    """
    return (
        f"kubectl delete deployment {PROXY} -n {cluster.namespace} --ignore-not-found --cascade=foreground",
        *_solution(cluster, _release(cluster)),
    )


def _release(cluster: Cluster) -> str:
    """The colleague's database: their own namespace tells where their access is at hand, else the relay's target."""
    theirs = cluster.as_owner(cluster.colleague.namespace)
    if theirs is not None:
        return next((one.release for one in databases(theirs)), "")
    if _named(cluster, "Deployment", PROXY) is None:
        return ""
    services = [target.host.partition(".")[0] for target in _targets(cluster)]
    return next((name.removesuffix("-rw") for name in services if name.endswith("-rw")), "")


def _patched(cluster: Cluster, container: str, change: Mapping[str, Any]) -> tuple[str, ...]:
    """Commands that change one container of the Deployment, and wait for its new pods."""
    patch = json.dumps({"spec": {"template": {"spec": {"containers": [{"name": container, **change}]}}}})
    return (
        f"kubectl patch deployment {PROXY} -n {cluster.namespace} -p {shlex.quote(patch)}",
        _rolled_out(cluster),
    )


def _exposed(cluster: Cluster, pod: Pod, delete: bool) -> tuple[str, ...]:
    """Commands that put a Service before the Deployment as it is, whatever its labels and port."""
    first = (f"kubectl delete service {PROXY} -n {cluster.namespace} --ignore-not-found",) if delete else ()
    return (
        *first,
        f"kubectl expose deployment {PROXY} -n {cluster.namespace} --name={PROXY} --port={PORT} "
        f"--target-port={_listened(cluster, pod)}",
    )


def _listened(cluster: Cluster, pod: Pod) -> int:
    """The port of the pod on which the relay waits for its clients, as the pod itself tells."""
    ports: frozenset[int] = frozenset()
    with contextlib.suppress(Unverifiable):
        ports = listening(cluster, pod.name)
    return PORT if PORT in ports or not ports else min(ports)


# -- the manifest --------------------------------------------------------------------------------------------------


@verification(points=1)
def un_deployment_pg_proxy_existe(cluster: Cluster) -> Diagnostic | None:
    """Un Deployment « pg-proxy » demande au moins un pod dans votre namespace."""
    found = _named(cluster, "Deployment", PROXY)
    if found is None:
        return _bare_pod(cluster) or _other_controller(cluster) or _other_deployment(cluster)
    if found["spec"].get("replicas", 1) > 0:
        return None
    return Diagnostic(
        finding=f"Le Deployment {PROXY} existe dans {cluster.namespace}, mais il demande 0 pod (spec.replicas).",
        cause="Un Deployment maintient exactement le nombre de pods que « replicas » demande : 0 le met en sommeil.",
        fix="Demandez-en au moins un.",
        commands=(
            f"kubectl scale deployment {PROXY} -n {cluster.namespace} --replicas=1",
            _rolled_out(cluster),
        ),
        look=(f"kubectl get deployment {PROXY} -n {cluster.namespace}",),
    )


def _bare_pod(cluster: Cluster) -> Diagnostic | None:
    """The relay of tp5: a pod by itself."""
    pod = cluster.pod(PROXY)
    if pod is None or _controller(pod.raw):
        return None
    return Diagnostic(
        finding=f"Dans {cluster.namespace}, {PROXY} est un Pod seul : aucun Deployment ne le tient.",
        cause="Un Pod supprimé, ou perdu avec son nœud, ne revient jamais : rien n’a pour tâche de le remplacer.",
        fix="Supprimez ce Pod et décrivez-le dans le modèle (spec.template) d’un Deployment de ce nom.",
        commands=(
            f"kubectl delete pod {PROXY} -n {cluster.namespace} --ignore-not-found --now",
            *_solution(cluster, _release(cluster)),
        ),
        look=(f"kubectl get pod {PROXY} -n {cluster.namespace} -o jsonpath='{{.metadata.ownerReferences}}'",),
    )


def _other_controller(cluster: Cluster) -> Diagnostic | None:
    """A StatefulSet, a ReplicaSet or anything else that keeps pods."""
    for pod in cluster.pods():
        owner = _controller(pod.raw)
        if owner.get("name") != PROXY or pod.deleting:
            continue
        kind = owner["kind"]
        return Diagnostic(
            finding=f"Dans {cluster.namespace}, {PROXY} est un {kind}, pas un Deployment.",
            cause=f"Un {kind} recrée aussi ses pods, mais un relais n’a ni disque ni identité à garder, et doit "
            "pouvoir changer de version sans coupure : c’est le rôle d’un Deployment.",
            fix=f"Remplacez le {kind} par un Deployment du même nom.",
            commands=(
                f"kubectl delete {kind.lower()} {PROXY} -n {cluster.namespace} --cascade=foreground",
                *_solution(cluster, _release(cluster)),
            ),
            look=(f"kubectl get {kind.lower()} {PROXY} -n {cluster.namespace}",),
        )
    return None


def _other_deployment(cluster: Cluster) -> Diagnostic:
    """No Deployment of that name, perhaps one of another."""
    named = [
        str(item["metadata"]["name"])
        for item in cluster.objects("Deployment")
        if any("socat" in json.dumps(box) for box in item["spec"]["template"]["spec"]["containers"])
    ]
    seen = f" Le Deployment {named[0]} utilise bien socat, mais porte un autre nom." if named else ""
    gone = (f"kubectl delete deployment {named[0]} -n {cluster.namespace} --cascade=foreground",) if named else ()
    return Diagnostic(
        finding=f"Aucun Deployment « {PROXY} » dans le namespace {cluster.namespace}.{seen}",
        cause="Le manifeste n’a pas été appliqué, ou l’a été dans un autre namespace ou sous un autre nom.",
        fix="Donnez-lui ce nom (metadata.name), supprimez l’ancien, puis appliquez : kubectl apply -f proxy.yaml"
        if named
        else "Appliquez votre manifeste : kubectl apply -f proxy.yaml",
        commands=(*gone, *_solution(cluster, _release(cluster))),
        look=(f"kubectl get deployments,pods -n {cluster.namespace}",),
    )


@verification(points=1, after=un_deployment_pg_proxy_existe)
def l_image_porte_une_etiquette_precise(cluster: Cluster) -> Diagnostic | None:
    """L’image du relais porte une étiquette précise, la même à chaque redémarrage."""
    for box in relay(cluster).template["containers"]:
        image = str(box["image"])
        tag = image.rpartition("/")[2].partition(":")[2]
        if "@sha256:" in image or tag not in ("", "latest"):
            continue
        told = "sans étiquette" if not tag else "d’étiquette « latest »"
        pinned = "socat" in image
        return Diagnostic(
            finding=f"Le conteneur « {box['name']} » du Deployment {PROXY} utilise l’image « {image} », {told}.",
            cause="C’est « la plus récente au moment du démarrage » : le pod qui remplace un pod perdu peut recevoir "
            "une autre version que lui ; et il la redemande au registre à chaque démarrage (imagePullPolicy: Always), "
            "même quand celui-ci limite les téléchargements.",
            fix="Écrivez une étiquette de version après le nom de l’image, par exemple alpine/socat:1.7.4.4",
            commands=(
                f"kubectl set image deployment/{PROXY} -n {cluster.namespace} {box['name']}=alpine/socat:1.7.4.4",
                _rolled_out(cluster),
            )
            if pinned
            else again(cluster),
            look=(f"kubectl get deployment {PROXY} -n {cluster.namespace} -o wide",),
        )
    return None


@verification(points=1, after=un_deployment_pg_proxy_existe)
def chaque_conteneur_dit_ses_ressources(cluster: Cluster) -> Diagnostic | None:
    """Chaque conteneur demande du processeur et de la mémoire, et se donne des limites.

    Lu sur les pods, tels que le cluster les a faits : ce qu’une valeur par défaut du namespace ajoute compte aussi.
    """
    found = relay(cluster)
    specs = [pod.raw["spec"] for pod in found.pods] or [found.template]
    for spec in specs:
        whole = spec.get("resources") or {}
        for box in spec["containers"]:
            lacking = [
                f"{family}.{resource}"
                for family in ("requests", "limits")
                for resource in ("cpu", "memory")
                if not _given(box.get("resources") or {}, family, resource) and not _given(whole, family, resource)
            ]
            if lacking:
                return _lacking(cluster, box, lacking)
    return None


def _given(resources: Mapping[str, Any], family: str, resource: str) -> str:
    """What is asked; the API server takes a limit as the request where only the limit is written."""
    limit = (resources.get("limits") or {}).get(resource, "")
    return str((resources.get(family) or {}).get(resource, "") or (limit if family == "requests" else ""))


def _lacking(cluster: Cluster, box: Mapping[str, Any], lacking: Sequence[str]) -> Diagnostic:
    # All four are given: a limit alone might be below what is requested, and be refused.
    values = "--requests=cpu=10m,memory=16Mi --limits=cpu=200m,memory=64Mi"
    return Diagnostic(
        finding=f"Le conteneur « {box['name']} » du Deployment {PROXY} n’indique pas {', '.join(lacking)} (resources).",
        cause="Sans demande, l’ordonnanceur ne lui réserve rien et le nœud l’arrête parmi les premiers quand la "
        "mémoire manque ; sans limite, il peut prendre celle des autres. Un namespace à quota refuse de créer un tel "
        "pod : le relais ne reviendrait pas.",
        fix="Écrivez les quatre valeurs dans le manifeste (resources.requests et resources.limits, cpu et memory).",
        commands=(
            f"kubectl set resources deployment {PROXY} -n {cluster.namespace} -c {box['name']} {values}",
            _rolled_out(cluster),
        ),
        look=(
            f"kubectl describe deployment {PROXY} -n {cluster.namespace}",
            f"kubectl describe quota -n {cluster.namespace}",
        ),
    )


# -- the pods ------------------------------------------------------------------------------------------------------


@verification(points=1, after=un_deployment_pg_proxy_existe)
def la_sonde_liveness_laisse_vivre_le_proxy(cluster: Cluster) -> Diagnostic | None:
    """Aucune sonde « liveness » ne tue un proxy qui fonctionne.

    Elle n’est pas obligatoire ; s’il y en a une, le vérificateur la joue lui-même sur chaque pod.
    """
    for pod in relay(cluster).pods:
        for box, status in zip(pod.raw["spec"]["containers"], pod.containers, strict=True):
            probe = box.get("livenessProbe")
            if not probe:
                continue
            said = _played(cluster, pod, box, probe) if status.running else None
            said = _killed(cluster, pod) if said is None else said
            if said:
                return _deadly(cluster, pod, box, said)
    return None


def _played(cluster: Cluster, pod: Pod, box: Mapping[str, Any], probe: Mapping[str, Any]) -> str | None:
    """What a probe of the pod is answered when it is played now; "" when it succeeds, None when it cannot be played."""
    if "exec" in probe:
        return "" if _succeeds(cluster, pod.name, probe["exec"]["command"]) else "sa commande échoue"
    question = probe.get("tcpSocket") or probe.get("httpGet") or {"host": "elsewhere"}
    if question.get("host"):
        return None
    port = _number(box, question["port"])
    closed = f"rien n’écoute sur le port {question['port']}"
    if "tcpSocket" in probe:
        with contextlib.suppress(Unverifiable):
            return "" if port in listening(cluster, pod.name) else closed
    elif question.get("scheme", "HTTP") == "HTTP":
        try:
            with cluster.forward(pod.name, port) as connection:
                answer = get(connection, question.get("path", "/"))
        except ForwardRefused:
            return closed
        except NotHttp as silence:
            return f"sur le port {port}, {silence}"
        return "" if 200 <= answer.status < 400 else f"sur le port {port}, réponse HTTP {answer.status}"
    return None


def _number(box: Mapping[str, Any], port: int | str) -> int:
    """The number of a port that may be called by its name; 0 for a name that the container does not give."""
    names = {one.get("name"): int(one["containerPort"]) for one in box.get("ports") or ()}
    return port if isinstance(port, int) else names.get(port, 0)


def _succeeds(cluster: Cluster, pod: str, command: Sequence[str]) -> bool:
    """Whether a command succeeds in a pod. Raises Unverifiable where it cannot be told."""
    try:
        cluster.execute(pod, command)
    except Unverifiable as failure:
        if "exit code" not in failure.message and "executable file not found" not in failure.message:
            raise
        return False
    return True


def _killed(cluster: Cluster, pod: Pod) -> str:
    """The kubelet's own word on a liveness probe that has failed; "" when there is none."""
    said = [event.message for event in cluster.events(pod.name) if event.reason == "Unhealthy"]
    failed = [message for message in said if message.startswith("Liveness")]
    return failed[-1].partition(": ")[2].strip() if failed else ""


def _deadly(cluster: Cluster, pod: Pod, box: Mapping[str, Any], said: str) -> Diagnostic:
    probe = box["livenessProbe"]
    seconds = int(probe.get("periodSeconds", 10)) * int(probe.get("failureThreshold", 3))
    return Diagnostic(
        finding=f"La sonde « liveness » du conteneur « {box['name']} » échoue sur le pod {pod.name} : {said}.",
        cause=f"Le kubelet tue et redémarre le conteneur après {seconds} secondes d’échecs (periodSeconds × "
        "failureThreshold), même s’il sert très bien ses clients, et recommence sans fin : CrashLoopBackOff.",
        fix="Posez une question à laquelle socat peut répondre : une connexion TCP (tcpSocket) à son port d’écoute ; "
        "ou retirez cette sonde.",
        commands=_patched(
            cluster,
            box["name"],
            {
                "livenessProbe": {
                    **{kind: None for kind in ("httpGet", "exec", "grpc") if kind in probe},
                    "tcpSocket": {"port": _listened(cluster, pod)},
                }
            },
        ),
        look=(f"kubectl describe pod {pod.name} -n {cluster.namespace}",),
        transient=not pod.ready,  # the program may not have opened its port yet
    )


@verification(points=1, after=un_deployment_pg_proxy_existe)
def les_pods_du_proxy_sont_prets(cluster: Cluster) -> Diagnostic | None:
    """Tous les pods que le Deployment demande sont prêts, dans leur dernière version."""
    found = relay(cluster)
    diagnostic = _creation_refused(cluster, found) or _paused(cluster, found)
    if diagnostic is not None:
        return diagnostic
    for pod in found.pods:
        diagnostic = _serves_once(cluster, pod) or not_ready(cluster, pod, _APPLY, again(cluster))
        if diagnostic is not None:
            return diagnostic
    seen = (found.raw.get("status") or {}).get("observedGeneration", 0) >= found.raw["metadata"]["generation"]
    if seen and len(found.pods) >= found.wanted and not found.older:
        return None
    return Diagnostic(
        finding=f"Le Deployment {PROXY} est en train de se mettre en place : {len(found.pods)} pod(s) de sa dernière "
        f"version sur {found.wanted}, {len(found.older)} d’une version précédente.",
        cause="Un Deployment crée les nouveaux pods avant de retirer les anciens, pour servir sans coupure.",
        fix="Attendez quelques secondes ; si cela dure, lisez ce qu’il en dit.",
        commands=(_rolled_out(cluster),),
        look=(f"kubectl describe deployment {PROXY} -n {cluster.namespace}",),
        transient=True,
    )


def _creation_refused(cluster: Cluster, found: Relay) -> Diagnostic | None:
    """Pods that the API server refuses to make: no pod exists that could tell why."""
    conditions = (found.raw.get("status") or {}).get("conditions") or ()
    refused = [one for one in conditions if one["type"] == "ReplicaFailure" and one["status"] == "True"]
    if not refused:
        return None
    message = str(refused[0].get("message", "")).strip()
    said = message.partition("is forbidden: ")[2] or message
    if "must specify" in said:
        cause = "Le quota du namespace compte cette ressource : chaque conteneur doit donc dire combien il en veut."
        fix = "Ajoutez au conteneur les valeurs demandées (resources.requests et resources.limits)."
    elif "exceeded quota" in said:
        cause = "Le namespace a atteint son quota : « used » y est ajouté à « requested », et dépasse « limited »."
        fix = "Demandez moins, ou arrêtez ce qui ne sert plus (kubectl describe quota)."
    elif "service account" in said.lower() or "serviceaccount" in said:
        cause = "Un pod agit sous l’identité d’un ServiceAccount, qui doit exister au moment où il est créé."
        fix = "Retirez serviceAccountName du modèle de pod : un relais n’a rien à demander à l’API du cluster."
    else:
        cause = "L’API refuse le pod tel que le Deployment le décrit."
        fix = "Corrigez ce que ce refus nomme."
    return Diagnostic(
        finding=f"Le cluster refuse de créer les pods du Deployment {PROXY} : {said}",
        cause=f"{cause} Un Deployment est accepté sans que ses pods le soient : « kubectl apply » n’a rien dit.",
        fix=f"{fix} {_APPLY}",
        commands=again(cluster),
        look=(
            f"kubectl describe replicaset -n {cluster.namespace} -l "
            + ",".join(f"{key}={value}" for key, value in _labels(found).items()),
            f"kubectl describe quota -n {cluster.namespace}",
        ),
    )


def _labels(found: Relay) -> Mapping[str, str]:
    return found.raw["spec"]["template"].get("metadata", {}).get("labels") or {}


def _paused(cluster: Cluster, found: Relay) -> Diagnostic | None:
    """A change that is written but not rolled out."""
    updated = (found.raw.get("status") or {}).get("updatedReplicas", 0)
    if not found.raw["spec"].get("paused") or updated >= found.wanted:
        return None
    return Diagnostic(
        finding=f"Le Deployment {PROXY} est en pause (spec.paused) : sa dernière version n’est pas mise en place.",
        cause="En pause, un Deployment garde ses anciens pods et n’applique aucun changement de modèle.",
        fix="Reprenez-le : kubectl rollout resume",
        commands=(
            f"kubectl rollout resume deployment/{PROXY} -n {cluster.namespace}",
            _rolled_out(cluster),
        ),
        look=(f"kubectl get replicasets -n {cluster.namespace}",),
    )


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
    listens = [one for word in _words(pod) for one in re.findall(r"(?i)\btcp[46]?-l(?:isten)?:\S+", word)]
    return any("fork" not in one for one in listens)


@verification(points=1, after=les_pods_du_proxy_sont_prets)
def le_proxy_vise_la_base_du_collegue(cluster: Cluster) -> Diagnostic | None:
    """Le proxy relaie vers un Service du namespace de votre collègue.

    Le nom est lu dans les arguments ; ce qui est vraiment atteint est prouvé plus loin.
    """
    colleague = cluster.colleague.namespace
    for target in _targets(cluster):
        place = target.namespace(cluster.namespace)
        if place == colleague:
            return None
        if place == cluster.namespace and "." not in target.host:
            finding = (
                f"Le proxy vise « {target} », un nom court qui désigne un Service de votre propre namespace "
                f"({cluster.namespace})."
            )
            cause = "Un nom de Service sans namespace se résout dans le namespace du pod qui le demande."
        elif place is not None:
            finding = f"Le proxy vise « {target} », un Service du namespace « {place} », pas de « {colleague} »."
            cause = "Le DNS du cluster lit NOM.NAMESPACE.svc.cluster.local : la deuxième partie est le namespace."
        else:
            finding = f"Le proxy vise « {target} », qui n’est pas un nom de Service de ce cluster."
            cause = (
                "L’adresse d’un pod change à chaque redémarrage ; le nom d’un Service, lui, reste. Sa forme complète "
                "est NOM.NAMESPACE.svc.cluster.local."
            )
        return Diagnostic(
            finding=finding,
            cause=cause,
            fix=f"Visez NOM-rw.{colleague}.svc.cluster.local:{PORT}, où NOM est celui de la base. {_APPLY}",
            commands=again(cluster),
            look=(f"kubectl describe deployment {PROXY} -n {cluster.namespace}",),
        )
    return None  # another tool than socat, or a script: what it really reaches is proven by the next checks


def _targets(cluster: Cluster) -> Sequence[Target]:
    """Where the relay leads, as far as its manifest tells."""
    return [target for pod in relay(cluster).pods[:1] for target in targets(cluster, pod)]


@verification(points=1, after=les_pods_du_proxy_sont_prets)
def une_sonde_dit_quand_le_proxy_sert(cluster: Cluster) -> Diagnostic | None:
    """Une sonde « readiness » dit quand un pod peut recevoir des clients.

    Une sonde par commande est essayée dans un pod à nous où rien n’écoute : elle doit y échouer.
    """
    for pod in relay(cluster).pods:
        boxes = pod.raw["spec"]["containers"]
        probes = [(box, box["readinessProbe"]) for box in boxes if box.get("readinessProbe")]
        if not probes:
            return Diagnostic(
                finding=f"Aucun conteneur du pod {pod.name} n’a de sonde « readiness » (readinessProbe).",
                cause="Sans elle, un pod est « prêt » dès que son conteneur démarre : le Service lui envoie des "
                "clients avant que socat n’écoute, et continue quand il n’écoute plus.",
                fix=f"Ajoutez au conteneur une sonde TCP sur son port d’écoute. {_APPLY}",
                commands=_patched(
                    cluster, boxes[0]["name"], {"readinessProbe": {"tcpSocket": {"port": _listened(cluster, pod)}}}
                ),
                look=(f"kubectl describe pod {pod.name} -n {cluster.namespace}",),
            )
        for box, probe in probes:
            if "exec" in probe and _hollow(cluster, probe["exec"]["command"]):
                return _says_nothing(cluster, pod, box)
    return None


def _hollow(cluster: Cluster, command: Sequence[str]) -> bool:
    """Whether a probe's command succeeds where there is no relay at all: then it says nothing of it."""
    with cluster.probe([f"{PROXY}:{PORT}"]) as empty, contextlib.suppress(Unverifiable):
        return _succeeds(cluster, empty.name, command)
    return False


def _says_nothing(cluster: Cluster, pod: Pod, box: Mapping[str, Any]) -> Diagnostic:
    command = " ".join(box["readinessProbe"]["exec"]["command"])
    return Diagnostic(
        finding=f"La sonde « readiness » du conteneur « {box['name']} » (« {command} ») réussit aussi dans un pod où "
        "rien n’écoute.",
        cause="Une sonde qui réussit toujours déclare prêt un pod qui ne sert personne, et le Service lui envoie des "
        "clients.",
        fix=f"Interrogez le port d’écoute du relais (tcpSocket). {_APPLY}",
        commands=_patched(
            cluster,
            box["name"],
            {"readinessProbe": {"exec": None, "tcpSocket": {"port": _listened(cluster, pod)}}},
        ),
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
    service = _named(cluster, "Service", PROXY)
    if service is None:
        return _no_service(cluster, found)
    return (
        _selects_nothing(cluster, service, found.pods[0])
        or _port_astray(cluster, service, found.pods[0])
        or _leads_astray(cluster, service, found)
    )


def _no_service(cluster: Cluster, found: Relay) -> Diagnostic:
    ours = {pod.uid for pod in found.pods}
    others = sorted(
        str(service["metadata"]["name"])
        for service in cluster.objects("Service")
        if any(endpoint.uid in ours for endpoint in _endpoints(cluster, service))
    )
    seen = f" Le Service {others[0]} mène bien à ses pods, mais porte un autre nom." if others else ""
    return Diagnostic(
        finding=f"Aucun Service « {PROXY} » dans le namespace {cluster.namespace}.{seen}",
        cause="Un pod remplacé change de nom et d’adresse. Le Service est le nom qui reste, celui que vos clients "
        f"écrivent : {PROXY}:{PORT}.",
        fix=f"Créez-le sous ce nom, devant les pods du Deployment. {_APPLY}",
        commands=_exposed(cluster, found.pods[0], delete=False),
        look=(f"kubectl get services -n {cluster.namespace} -o wide",),
    )


def _selects_nothing(cluster: Cluster, service: Mapping[str, Any], pod: Pod) -> Diagnostic | None:
    spec = service["spec"]
    selector = spec.get("selector") or {}
    missing = [f"{key}={value}" for key, value in selector.items() if pod.labels.get(key) != value]
    if selector and not missing:
        return None
    labels = ", ".join(f"{key}={value}" for key, value in sorted(pod.labels.items()) if key != "pod-template-hash")
    kept = ""
    if spec.get("type") == "ExternalName":
        finding = f"Le Service {PROXY} est de type ExternalName : il renvoie à « {spec['externalName']} »."
        cause = "Ce n’est qu’un autre nom, donné par le DNS : les clients ne passent pas par les pods du proxy."
        kept = "Retirez type et externalName. "
    elif not selector:
        finding = f"Le Service {PROXY} n’a pas de sélecteur (spec.selector) : le cluster ne lui trouve aucun pod."
        cause = "Un Service choisit ses pods par leurs étiquettes ; sans sélecteur, rien ne suit les pods remplacés."
    else:
        finding = (
            f"Le Service {PROXY} cherche des pods étiquetés {', '.join(missing)} ; ceux du Deployment portent {labels}."
        )
        cause = (
            "Un Service choisit ses pods par leurs étiquettes, jamais par le nom du Deployment. Aucune erreur ne "
            "le signale : ses clients sont refusés."
        )
    return Diagnostic(
        finding=finding,
        cause=cause,
        fix=f"{kept}Recopiez dans spec.selector les étiquettes du modèle de pod (template.metadata.labels). {_APPLY}",
        commands=_exposed(cluster, pod, delete=True),
        look=(
            f"kubectl get endpointslices -n {cluster.namespace} -l kubernetes.io/service-name={PROXY}",
            f"kubectl get pods -n {cluster.namespace} --show-labels",
        ),
    )


def _entry(service: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The port of the Service that clients write."""
    ports: Sequence[Mapping[str, Any]] = service["spec"].get("ports") or ()
    return next((one for one in ports if one["port"] == PORT and one.get("protocol", "TCP") == "TCP"), None)


def _port_astray(cluster: Cluster, service: Mapping[str, Any], pod: Pod) -> Diagnostic | None:
    entry = _entry(service)
    names = {one.get("name") for box in pod.raw["spec"]["containers"] for one in box.get("ports") or ()}
    if entry is None:
        ports = service["spec"].get("ports") or ()
        opened = ", ".join(f"{one['port']}/{one.get('protocol', 'TCP')}" for one in ports)
        finding = f"Le Service {PROXY} n’ouvre pas le port {PORT}/TCP ; il ouvre {opened}."
        cause = (
            "« port » est celui que les clients écrivent ; « targetPort », celui des pods. Un Service n’accepte "
            "que les ports qu’il déclare."
        )
    elif isinstance(entry.get("targetPort"), str) and entry["targetPort"] not in names:
        finding = f"Le Service {PROXY} mène au port nommé « {entry['targetPort']} » ; aucun port des pods ne s’appelle "
        finding += "ainsi."
        cause = "Un targetPort en toutes lettres est cherché parmi les noms de « ports », dans le conteneur."
    else:
        return None
    return Diagnostic(
        finding=finding,
        cause=cause,
        fix=f"Dans spec.ports, écrivez port: {PORT} et, en targetPort, le port où socat écoute. {_APPLY}",
        commands=_exposed(cluster, pod, delete=True),
        look=(f"kubectl describe service {PROXY} -n {cluster.namespace}",),
    )


@dataclass(frozen=True)
class Endpoint:
    """A pod to which a Service sends clients, as the cluster worked it out."""

    uid: str
    pod: str
    port: int


def _endpoints(cluster: Cluster, service: Mapping[str, Any]) -> Sequence[Endpoint]:
    """Where the Service sends the clients of its port 5432, or of any when it has no such port."""
    entry = _entry(service)
    return [
        Endpoint(str(reference.get("uid", "")), str(reference.get("name", "")), int(port["port"]))
        for item in cluster.objects("EndpointSlice")
        if item["metadata"].get("labels", {}).get("kubernetes.io/service-name") == service["metadata"]["name"]
        for port in item.get("ports") or ()
        if entry is None or (port.get("name") or "") == (entry.get("name") or "")
        for endpoint in item.get("endpoints") or ()
        if (endpoint.get("conditions") or {}).get("ready") is not False
        for reference in [endpoint.get("targetRef") or {}]
    ]


def _leads_astray(cluster: Cluster, service: Mapping[str, Any], found: Relay) -> Diagnostic | None:
    reached = _endpoints(cluster, service)
    ours = {pod.uid: pod for pod in found.pods}
    strangers = [one for one in reached if one.uid not in ours and cluster.pod(one.pod) is not None]
    if strangers:
        return _strangers(cluster, service, strangers[0])
    if {one.uid for one in reached} != set(ours):
        return Diagnostic(
            finding=f"Le cluster n’a pas encore relié le Service {PROXY} à tous les pods du Deployment.",
            cause="Un pod n’entre dans un Service qu’une fois prêt, et en sort dès qu’il ne l’est plus.",
            fix="Attendez quelques secondes, puis recommencez.",
            look=(f"kubectl get endpointslices -n {cluster.namespace} -l kubernetes.io/service-name={PROXY}",),
            transient=True,
        )
    for one in reached:
        if not _accepts(cluster, one):
            return _closed_port(cluster, ours[one.uid], one.port)
    return None


def _accepts(cluster: Cluster, endpoint: Endpoint) -> bool:
    """Whether something listens there; what it says is another check's."""
    try:
        with cluster.forward(endpoint.pod, endpoint.port) as connection:
            is_postgres(connection)
    except NotPostgres:
        return True
    except ForwardRefused as refused:
        return "refused" not in str(refused)
    return True


def _closed_port(cluster: Cluster, pod: Pod, port: int) -> Diagnostic:
    heard = _listened(cluster, pod)
    seen = f" ; il écoute sur {heard}" if heard != port else ""
    return Diagnostic(
        finding=f"Le Service {PROXY} envoie ses clients sur le port {port} du pod {pod.name}, où rien n’écoute{seen}.",
        cause="« targetPort » est le port du pod. S’il est faux, le Service a bien des pods, mais chaque client est "
        "refusé.",
        fix=f"Mettez d’accord spec.ports.targetPort et le port de TCP-LISTEN. {_APPLY}",
        commands=_exposed(cluster, pod, delete=True),
        look=(f"kubectl describe service {PROXY} -n {cluster.namespace}",),
        transient=not seen,  # the container may be restarting
    )


def _strangers(cluster: Cluster, service: Mapping[str, Any], stranger: Endpoint) -> Diagnostic:
    place = cluster.namespace
    pod = cluster.pod(stranger.pod)
    alone = pod is not None and not _controller(pod.raw)
    selector = ", ".join(f"{key}={value}" for key, value in service["spec"]["selector"].items())
    own = json.dumps({"relais": "durable"})
    return Diagnostic(
        finding=f"Le Service {PROXY} envoie aussi des clients au pod {stranger.pod}, qui n’est pas du Deployment "
        f"{PROXY} : ce pod porte lui aussi {selector}.",
        cause="Un Service prend tous les pods qui ont les étiquettes de son sélecteur, d’où qu’ils viennent : un "
        "client sur deux peut arriver ailleurs.",
        fix=f"Supprimez le Pod {stranger.pod}, que votre Deployment remplace."
        if alone and stranger.pod == PROXY
        else "Donnez aux pods du Deployment une étiquette qu’ils sont seuls à porter, et ajoutez-la au sélecteur.",
        commands=(f"kubectl delete pod {stranger.pod} -n {place} --now",)
        if alone and stranger.pod == PROXY
        else (
            f"kubectl patch deployment {PROXY} -n {place} -p "
            + shlex.quote(f'{{"spec": {{"template": {{"metadata": {{"labels": {own}}}}}}}}}'),
            _rolled_out(cluster),
            f"kubectl patch service {PROXY} -n {place} -p " + shlex.quote(f'{{"spec": {{"selector": {own}}}}}'),
        ),
        look=(f"kubectl get pods -n {place} --show-labels",),
    )


# -- the way through -----------------------------------------------------------------------------------------------


def _address(cluster: Cluster) -> str:
    """The relay as a client of the namespace may write it; without the cluster's own domain, which may be another."""
    return f"{PROXY}.{cluster.namespace}.svc:{PORT}"


@verification(points=1, after=(le_service_mene_aux_pods_du_proxy, le_proxy_vise_la_base_du_collegue))
def la_base_repond_a_travers_le_service(cluster: Cluster) -> Diagnostic | None:
    """À travers le Service, PostgreSQL répond à plusieurs clients à la fois.

    Un pod à nous, dans votre namespace, ouvre deux connexions en même temps vers pg-proxy:5432.
    """
    target = _address(cluster)
    with cluster.probe([target]) as probe:
        served = 0
        try:
            with probe.connect(target) as first:
                identify(first)
                served = 1
                with probe.connect(target) as second:
                    identify(second)
        except (NotPostgres, ForwardRefused) as silence:
            if served:
                return _one_client(cluster)
            blocked = probe.said(target)
            return _blocked(cluster, blocked) if blocked else _unanswered(cluster, str(silence))
    return None


def _one_client(cluster: Cluster) -> Diagnostic:
    return Diagnostic(
        finding=f"Pendant qu’un client est servi à travers {PROXY}, un second est refusé.",
        cause="Le relais n’accepte qu’un client à la fois ; un client PostgreSQL ouvre souvent plusieurs connexions.",
        fix=f"Ajoutez l’option fork, qui crée un processus par client : TCP-LISTEN:{PORT},fork,reuseaddr. {_APPLY}",
        commands=again(cluster),
        look=(f"kubectl get pods -n {cluster.namespace}",),
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
        fix=f"Autorisez les pods de {place} à joindre le port {port} du proxy, ou retirez cette NetworkPolicy."
        if names
        else f"Faites écouter le relais sur {PORT} ou donnez une adresse au Service. {_APPLY}",
        commands=(f"kubectl delete networkpolicy {' '.join(names)} -n {place}",)
        if names
        else _exposed(cluster, relay(cluster).pods[0], delete=True),
        look=(f"kubectl get networkpolicies,services -n {place}",),
        transient=not names,
    )


def _unanswered(cluster: Cluster, silence: str) -> Diagnostic:
    """The relay takes the client, and what is behind does not answer."""
    pods = relay(cluster).pods
    said = "\n".join(cluster.logs(pod.name, 5) for pod in pods)
    target = next((str(one) for one in _targets(cluster)), "sa cible")
    name = target.rpartition(":")[0] or target
    fix = f"Demandez à votre collègue le résultat de « kubectl get svc », corrigez le nom et le port. {_APPLY}"
    commands = again(cluster)
    settling = False
    if re.search(r"not known|no address|Temporary failure|does not resolve|getaddrinfo", said):
        require_dns(cluster)
        finding = f"Le proxy ne trouve pas « {name} » : ce nom n’existe pas dans le DNS du cluster."
        cause = "Le nom n’est cherché qu’à l’arrivée d’un client : les pods restent prêts malgré l’erreur."
    elif "refused" in said:
        finding = f"« {target} » refuse la connexion : rien n’écoute sur ce port."
        cause = "Un Service n’accepte que les ports qu’il déclare ; PostgreSQL est sur 5432."
    elif re.search(r"timed out|No route", said) or "délai" in silence:
        finding = f"« {target} » ne répond pas : la connexion reste sans réponse."
        cause = (
            "Une NetworkPolicy du namespace de votre collègue écarte votre namespace (l’option « only allow access "
            "from the same namespace » du catalogue), ou son pod est arrêté."
        )
        fix = "Vous n’y pouvez rien d’ici : demandez à votre collègue d’ouvrir sa base à votre namespace (TP 4)."
        commands = ()
    else:
        finding = f"À travers {PROXY}, « {target} » ne répond pas comme PostgreSQL ({silence})."
        cause = "Le relais mène à un autre programme, ou à un port qui n’est pas celui de la base."
        settling = True  # or the network is still following a new pod or Service
    return Diagnostic(
        finding=finding,
        cause=cause,
        fix=fix,
        commands=commands,
        look=(f"kubectl logs deployment/{PROXY} -n {cluster.namespace}",),
        transient=settling,
    )


def _serving(cluster: Cluster) -> Mapping[str, int]:
    """The port on which each pod of the relay gets the Service's clients, by the pod's name."""
    service = _named(cluster, "Service", PROXY)
    return {one.pod: one.port for one in _endpoints(cluster, service)} if service else {}


def _behind(cluster: Cluster, pod: Pod, port: int) -> PostgresServer:
    """The server that a pod of the relay leads to. Raises NotPostgres or ForwardRefused."""
    with cluster.forward(pod.name, port) as connection:
        return identify(connection)


@verification(points=1, after=la_base_repond_a_travers_le_service)
def chaque_pod_mene_au_serveur_du_collegue(cluster: Cluster) -> Diagnostic | None:
    """Chaque pod du proxy mène au serveur de votre collègue.

    Deux serveurs PostgreSQL se distinguent sans mot de passe, par leur empreinte. Là où l’accès de votre collègue est
    à portée de main, elle est lue aussi chez lui ; ailleurs, le DNS du cluster dit chez qui est l’adresse jointe.
    """
    colleague = cluster.colleague.namespace
    theirs = cluster.as_owner(colleague)
    try:
        known = [server_in(theirs, pod) for _, pod in ready_pods(theirs)] if theirs is not None else []
        for pod in relay(cluster).pods:
            reached = _behind(cluster, pod, _serving(cluster).get(pod.name, PORT))
            if known and reached.fingerprint is not None:
                if reached not in known:
                    return _another_server(cluster, pod, f"qui n’est aucun de ceux de {colleague}")
                continue
            place = "" if _targets(cluster) else _place_reached(cluster, pod)
            if place not in ("", colleague):
                return _another_server(cluster, pod, f"du namespace « {place} », pas de « {colleague} »")
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


def _place_reached(cluster: Cluster, pod: Pod) -> str:
    """Namespace of the Service that a pod connects to, by the cluster's reverse DNS; "" when it does not tell."""
    with contextlib.suppress(Unverifiable, NotPostgres, ForwardRefused):
        before = established(cluster, pod.name)
        with cluster.forward(pod.name, _serving(cluster).get(pod.name, PORT)) as connection:
            is_postgres(connection)
            opened = established(cluster, pod.name) - before
        for one in opened:
            if not one.from_loopback:
                found = re.search(
                    r"[\w-]+\.([\w-]+)\.svc\.", cluster.execute(pod.name, ["nslookup", one.remote_address])
                )
                if found:
                    return found[1]
    return ""


# -- broken on purpose ---------------------------------------------------------------------------------------------

# What was tried on one version of the work, so that it is tried once only, however often the runner asks.
_RESTARTED: dict[str, Diagnostic | None] = {}
_REPLACED: set[tuple[str, str]] = set()

# Ends the program of the container, be it process 1 itself or a child of a shell that waits for it.
_END = "kill -TERM 1; kill -TERM -1; sleep 1; kill -INT 1; sleep 1; kill -KILL -1"


def _watched(cluster: Cluster, seconds: float) -> Iterator[float]:
    """Look again at the cluster until `seconds` have passed; yields those that have.

    The one place of a lab that waits: what was broken must be seen to heal within the same question, for the runner
    asks a question anew from its beginning, and would break it again.
    """
    began = time.monotonic()
    while (passed := time.monotonic() - began) < seconds:
        cluster.refresh()
        yield passed
        time.sleep(_PAUSE)


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
    port = _serving(cluster).get(pod.name, PORT)
    before = sum(box.restarts for box in pod.containers)
    if not _end_while_used(cluster, pod, port):
        raise Unverifiable(
            f"Le programme du pod {pod.name} n’a pas pu être arrêté pour voir s’il reprend son port.",
            "Il faut pouvoir y exécuter « sh » (kubectl exec).",
        )
    for _ in _watched(cluster, _RESTART_SECONDS):
        now = cluster.pod(pod.name)
        if now is None:
            break
        with contextlib.suppress(NotPostgres, ForwardRefused):
            _behind(cluster, now, port)
            return None
        said = cluster.logs(pod.name, 3)
        if re.search(r"(?i)address (already )?in use", said):
            cluster.delete_pod(pod.name)  # so that nobody waits until the port is free again
            return _port_held(cluster, pod, said)
        if sum(box.restarts for box in now.containers) > before and any(box.waiting_reason for box in now.containers):
            return not_ready(cluster, now, _APPLY, again(cluster))
    raise Unverifiable(
        f"Le conteneur du pod {pod.name} n’a pas redémarré en {_RESTART_SECONDS:.0f} secondes.",
        "Le nœud est sans doute très occupé : relancez la commande dans un instant.",
    )


def _end_while_used(cluster: Cluster, pod: Pod, port: int) -> bool:
    """End the relay's program while a client is connected; whether that client was cut."""
    served = False
    try:
        with cluster.forward(pod.name, port) as client:
            identify(client)
            served = True
            with contextlib.suppress(Unverifiable):  # the shell that kills is killed too
                cluster.execute(pod.name, ["sh", "-c", _END])
            return client.recv(1) == b""
    except TimeoutError:
        return False
    except (NotPostgres, ForwardRefused, OSError):
        return served


def _port_held(cluster: Cluster, pod: Pod, said: str) -> Diagnostic:
    line = next(iter(said.strip().splitlines()[-1:]), "rien")
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
    service = _named(cluster, "Service", PROXY)
    tried = (relay(cluster).version, str(service["metadata"]["resourceVersion"]) if service else "")
    if tried in _REPLACED:
        return None
    if not cluster.may("delete", "pods").allowed:
        raise Unverifiable("Supprimer un pod de ce namespace ne vous est pas permis.", "Vérifiez : cahier verifier tp1")
    diagnostic = _lose_a_pod(cluster)
    if diagnostic is None:
        _REPLACED.add(tried)
    return diagnostic


def _lose_a_pod(cluster: Cluster) -> Diagnostic | None:
    lost = max(relay(cluster).pods, key=lambda pod: sum(box.restarts for box in pod.containers))
    target = _address(cluster)
    with cluster.probe([target]) as probe:
        expected = _answer(probe, target)
        if expected is None:  # the Service may still be following what the check before has restarted
            expected = next(
                (found for _ in _watched(cluster, _REFUSED_SECONDS) if (found := _answer(probe, target))), None
            )
        if expected is None:
            raise Unverifiable(f"{target} a cessé de répondre pendant la vérification.", "Relancez la commande.")
        cluster.delete_pod(lost.name)
        for passed in _watched(cluster, _REPLACE_SECONDS):
            now = relay(cluster)
            back = [pod for pod in now.pods if pod.ready and pod.uid != lost.uid]
            if len(back) >= now.wanted and _answer(probe, target) == expected:
                return None
            if _creation_refused(cluster, now) and passed > _REFUSED_SECONDS:
                break
        unreached = probe.said(target)
    return _not_replaced(cluster, lost, unreached)


def _answer(probe: Probe, target: str) -> PostgresServer | None:
    with contextlib.suppress(NotPostgres, ForwardRefused), probe.connect(target) as connection:
        return identify(connection)
    return None


def _not_replaced(cluster: Cluster, lost: Pod, unreached: str) -> Diagnostic:
    found = relay(cluster)
    reasons = [_creation_refused(cluster, found), *(not_ready(cluster, pod, _APPLY) for pod in found.pods)]
    reason = next((one for one in reasons if one is not None), None)
    if reason is None:
        seen = f"ses pods sont revenus, mais les clients ne passent plus par le Service ({unreached or 'sans réponse'})"
        cause = "Le Service ne suit pas les pods remplacés."
    else:
        seen = f"aucun autre ne le remplace. {reason.finding}"
        cause = reason.cause
    return Diagnostic(
        finding=f"Le pod {lost.name} a été supprimé exprès ; {seen}",
        cause=f"{cause} Tant que l’ancien pod vivait, rien ne le montrait.",
        fix=reason.fix if reason else f"Comparez le sélecteur du Service et les étiquettes du modèle de pod. {_APPLY}",
        commands=again(cluster),
        look=(
            f"kubectl describe deployment {PROXY} -n {cluster.namespace}",
            f"kubectl get events -n {cluster.namespace} --sort-by=.lastTimestamp",
        ),
    )
