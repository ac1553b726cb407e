"""Les vérifications du TP 2 : une API prête dans son pod, et un tunnel qui mène bien à elle."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from checks.diagnosis.connections.sockets import listening
from checks.diagnosis.connections.tunnel import Tunnel, leads_elsewhere, nobody_listens
from checks.diagnosis.workloads.deployments import woken
from checks.diagnosis.workloads.objects import maker
from checks.diagnosis.workloads.readiness import not_ready
from checks.errors import Unverifiable
from checks.exchange.http import NotHttp, get
from checks.facts import Cluster, ForwardRefused, Pod
from checks.shell import one_word
from checks.verdict import Diagnostic
from checks.verification import verification

API = "mon-api"
LABELS = {"app": API}
PORT = 8000
LOCAL_PORT = 1500
_APPLY = "Corrigez votre manifeste, puis appliquez-le de nouveau."


def labelled(cluster: Cluster) -> Sequence[Pod]:
    """Les pods qui portent l’étiquette, sauf ceux qu’on supprime et ceux qu’un autre a déjà remplacés."""
    pods = [pod for pod in cluster.pods(LABELS) if not pod.deleting]
    return [pod for pod in pods if pod.phase not in ("Failed", "Succeeded")] or pods


def api_pods(cluster: Cluster) -> Sequence[Pod]:
    """Les pods de l’API, les pods prêts d’abord, une fois qu’on sait qu’il y en a."""
    pods = labelled(cluster)
    if not pods:
        raise Unverifiable("Les pods de l’API ont disparu pendant la vérification.", "Relancez la vérification.")
    return sorted(pods, key=lambda pod: not pod.ready)


def again(cluster: Cluster, *pods: Pod) -> tuple[str, ...]:
    """Le remède commun : retirer ce qui ne va pas, puis appliquer la solution."""
    namespace = cluster.namespace
    makers = sorted({_maker(cluster, pod) for pod in pods} | {f"deployment/{API}"})
    return (
        *(f"kubectl delete {maker} -n {namespace} --ignore-not-found" for maker in makers),
        f"cahier solution tp2 --namespace {namespace} --appliquer",
        f"kubectl rollout status deployment/{API} -n {namespace} --timeout=90s",
    )


def _maker(cluster: Cluster, pod: Pod) -> str:
    """Ce qu’il faut supprimer pour que ce pod ne revienne pas : lui-même, ou l’objet qui le recrée."""
    kind, name = maker(cluster, pod)
    return f"{one_word(f'{kind}/{name}')} --now" if kind == "pod" else one_word(f"{kind}/{name}")


@verification(points=1)
def l_api_est_deployee(cluster: Cluster) -> Diagnostic | None:
    """Un pod qui porte l’étiquette « app: mon-api » existe dans votre namespace."""
    if labelled(cluster):
        return None
    leaving = [pod.name for pod in cluster.pods(LABELS)]
    if leaving:
        return Diagnostic(
            finding=f"Le pod {leaving[0]} est en cours de suppression, et aucun autre ne le remplace.",
            cause="Un pod seul ne revient pas ; un Deployment, lui, remplace ceux qui disparaissent.",
            fix="Appliquez votre manifeste de nouveau : kubectl apply -f code.yaml -f mon-api.yaml",
            commands=again(cluster),
            look=(f"kubectl get pods -n {cluster.namespace}",),
            transient=True,
        )
    return _refused(cluster) or _none_wanted(cluster) or _other_label(cluster) or _nothing(cluster)


@verification(points=2, after=l_api_est_deployee)
def l_api_est_prete(cluster: Cluster) -> Diagnostic | None:
    """Votre API est démarrée et prête."""
    for pod in reversed(api_pods(cluster)):
        diagnostic = not_ready(cluster, pod, _APPLY, again(cluster, pod))
        if diagnostic is not None:
            return diagnostic
    return None


@verification(points=2, after=l_api_est_prete)
def l_api_repond_dans_son_pod(cluster: Cluster) -> Diagnostic | None:
    """Dans son pod, votre API répond en HTTP sur le port 8000.

    Une requête lui est envoyée par un tunnel à nous, qui ne dépend pas du vôtre. Toute réponse HTTP convient.
    """
    for pod in api_pods(cluster):
        try:
            with cluster.forward(pod.name, PORT) as connection:
                get(connection)
        except ForwardRefused as refused:
            if "refused" not in str(refused):
                raise Unverifiable(
                    f"Notre propre tunnel vers le pod {pod.name} n’a pas pu être ouvert : {refused}.",
                    "Vérifiez vos droits : cahier verifier tp1",
                ) from None
            return _other_port(cluster, pod)
        except (NotHttp, OSError) as silence:
            return Diagnostic(
                finding=f"Dans le pod {pod.name}, quelque chose écoute sur le port {PORT}, mais {silence}.",
                cause="Un port ouvert ne prouve rien : c’est l’échange qui compte, ici une requête HTTP.",
                fix=f"Cherchez dans le journal ce que le programme a fait de la requête. {_APPLY}",
                commands=again(cluster, pod),
                look=(f"kubectl logs {pod.name} -n {cluster.namespace}",),
            )
    return None


@verification(points=1, after=l_api_est_deployee)
def un_tunnel_ecoute_sur_votre_poste(cluster: Cluster) -> Diagnostic | None:
    """Sur votre poste, quelque chose écoute sur localhost:1500."""
    return nobody_listens(cluster, tunnel(cluster))


@verification(points=2, after=(un_tunnel_ecoute_sur_votre_poste, l_api_repond_dans_son_pod))
def le_tunnel_mene_a_votre_api(cluster: Cluster) -> Diagnostic | None:
    """Ce qui répond sur localhost:1500 est un pod de votre API, et rien d’autre.

    Des connexions ouvertes sur localhost sont retrouvées dans la table des connexions du pod.
    """
    return leads_elsewhere(cluster, tunnel(cluster))


@verification(points=2, after=le_tunnel_mene_a_votre_api)
def votre_api_repond_a_travers_le_tunnel(cluster: Cluster) -> Diagnostic | None:
    """Votre API répond en HTTP à un client de votre poste.

    Deux requêtes se suivent : un tunnel qui ne survit pas à la première ne sert à rien.
    """
    port = cluster.local_port(LOCAL_PORT)
    try:
        for _ in range(2):
            with cluster.machine.connect(port) as connection:
                connection.settimeout(8)
                get(connection)
    except (NotHttp, OSError) as silence:
        return Diagnostic(
            finding=f"Sur localhost:{port}, l’échange HTTP ne va pas jusqu’au bout : {silence}.",
            cause="Le tunnel mène au bon pod, mais il a été coupé pendant l’échange.",
            fix="Fermez-le s’il tourne encore, et rouvrez-le dans un second terminal.",
            commands=(tunnel(cluster).command,),
            look=(f"curl -i http://localhost:{port}/",),
        )
    return None


def tunnel(cluster: Cluster) -> Tunnel:
    """Le tunnel attendu : localhost:1500 vers un pod de l’API."""
    return Tunnel(
        local_port=cluster.local_port(LOCAL_PORT),
        pods=api_pods(cluster),
        port=PORT,
        speak=get,
        service="votre API",
    )


def _refused(cluster: Cluster) -> Diagnostic | None:
    """Un Deployment de l’API dont le cluster a refusé de créer les pods : quota, compte inconnu, règle."""
    for item in _deployments(cluster):
        for condition in (item.get("status") or {}).get("conditions") or ():
            if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
                said = condition.get("message", "")
                cause, fix = _why_refused(said)
                return Diagnostic(
                    finding=f"Le Deployment {item['metadata']['name']} existe, mais le cluster a refusé de créer son "
                    f"pod : {said}",
                    cause=cause,
                    fix=f"{fix} {_APPLY}",
                    commands=again(cluster),
                    look=(
                        f"kubectl describe deployment {item['metadata']['name']} -n {cluster.namespace}",
                        f"kubectl describe replicaset -n {cluster.namespace} -l app={API}",
                    ),
                )
    return None


def _why_refused(said: str) -> tuple[str, str]:
    """La cause d’un refus de l’API du cluster, et ce qu’il faut y faire."""
    if "exceeded quota" in said:
        return (
            "Votre namespace n’a droit qu’à une quantité limitée de pods et de ressources (ResourceQuota).",
            "Supprimez ce qui ne vous sert plus (kubectl get pods), ou demandez moins.",
        )
    if "failed quota" in said or "must specify" in said:
        return (
            "Le quota de ce namespace exige que chaque conteneur dise ce qu’il demande.",
            "Écrivez les « resources » du conteneur (requests et limits).",
        )
    if "serviceaccount" in said:
        return (
            "Un pod agit au nom d’un ServiceAccount de son namespace ; celui que le manifeste cite n’existe pas.",
            "Retirez « serviceAccountName », ou citez un compte qui existe.",
        )
    return (
        "Un Deployment est accepté avant ses pods : chacun d’eux est jugé à sa création, sans que kubectl le dise.",
        "Corrigez ce qui est refusé.",
    )


def _none_wanted(cluster: Cluster) -> Diagnostic | None:
    for item in _deployments(cluster):
        if item["spec"].get("replicas") == 0:
            name = item["metadata"]["name"]
            lines, commands = woken(cluster, item, "mon-api.yaml" if name == API else "", again(cluster))
            return Diagnostic(
                finding=f"Le Deployment {name} existe, mais il demande 0 pod (replicas: 0).",
                cause="Un Deployment crée autant de pods que « replicas » le dit ; 0 met l’application en sommeil.",
                fix="Demandez-en un. Écrivez ceci, puis : kubectl apply -f mon-api.yaml"
                if lines
                else f"Demandez-en un : kubectl scale deployment {name} --replicas=1",
                lines=lines,
                commands=commands,
                look=(f"kubectl get deployment {name} -n {cluster.namespace}",),
            )
        if not (item.get("status") or {}).get("conditions"):
            return Diagnostic(
                finding=f"Le Deployment {item['metadata']['name']} vient d’être créé ; il n’a pas encore de pod.",
                cause="Le cluster crée ses pods juste après.",
                fix="Attendez une seconde et vérifiez de nouveau.",
                look=(f"kubectl get pods -n {cluster.namespace}",),
                transient=True,
            )
    return None


def _deployments(cluster: Cluster) -> Sequence[Mapping[str, Any]]:
    """Les Deployments dont les pods porteraient l’étiquette, et celui qui a le nom du TP."""

    def ours(item: Mapping[str, Any]) -> bool:
        labels = item["spec"]["template"].get("metadata", {}).get("labels") or {}
        return labels.items() >= LABELS.items()

    return [item for item in cluster.objects("Deployment") if ours(item)]


def _other_label(cluster: Cluster) -> Diagnostic | None:
    """Un pod qui ressemble à l’API sans en porter l’étiquette."""
    for pod in cluster.pods():
        named = pod.name == API or pod.name.startswith(f"{API}-")
        if pod.deleting or not (named or API in pod.labels.values()):
            continue
        labels = ", ".join(f"{key}={value}" for key, value in sorted(pod.labels.items()) if key != "pod-template-hash")
        return Diagnostic(
            finding=f"Aucun pod ne porte l’étiquette app={API} dans {cluster.namespace} ; "
            f"le pod {pod.name} porte {labels or 'aucune étiquette'}.",
            cause="Ce ne sont pas leurs noms qui relient les objets de Kubernetes, mais leurs étiquettes (labels).",
            fix="Écrivez « app: mon-api » dans les étiquettes du pod (template.metadata.labels et selector), supprimez "
            "l’ancien Deployment, dont le selector ne se change pas, puis appliquez de nouveau.",
            commands=again(cluster, pod),
            look=(f"kubectl get pods -n {cluster.namespace} --show-labels",),
        )
    return None


def _nothing(cluster: Cluster) -> Diagnostic:
    return Diagnostic(
        finding=f"Aucun pod ne porte l’étiquette app={API} dans le namespace {cluster.namespace}.",
        cause="Le manifeste n’a pas été appliqué, ou l’a été dans un autre namespace.",
        fix="Appliquez vos manifestes : kubectl apply -f code.yaml -f mon-api.yaml",
        commands=again(cluster),
        look=(f"kubectl get deployments,pods -n {cluster.namespace} --show-labels",),
    )


def _other_port(cluster: Cluster, pod: Pod) -> Diagnostic:
    ports: Sequence[int] = ()
    with contextlib.suppress(Unverifiable):
        ports = sorted(listening(cluster, pod.name))
    seen = f" Il écoute sur {', '.join(map(str, ports))}." if ports else ""
    return Diagnostic(
        finding=f"Dans le pod {pod.name}, rien n’écoute sur le port {PORT}.{seen}",
        cause="« containerPort » n’est qu’une indication : seul le programme décide du port où il écoute.",
        fix=f"Faites écouter votre programme sur {PORT}. {_APPLY}",
        commands=again(cluster, pod),
        look=(f"kubectl logs {pod.name} -n {cluster.namespace}",),
        transient=not ports,  # the program may not have opened its port yet
    )
