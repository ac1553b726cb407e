"""Ce que le TP 2 dit quand une phrase n’est pas vraie. Corriger un texte ne demande de toucher à
rien d’autre."""

from __future__ import annotations

from checks.lesson import Lesson

APPLY = "Corrigez votre manifeste, puis appliquez-le de nouveau."


# -- no pod is the API's ---------------------------------------------------------------------------


class BeingDeleted(Lesson):
    """The only pod of the API goes away."""

    finding = "Le pod {pod} est en cours de suppression, et aucun autre ne le remplace."
    cause = "Un pod seul ne revient pas ; un Deployment, lui, remplace ceux qui disparaissent."
    fix = "Appliquez votre manifeste de nouveau : kubectl apply -f code.yaml -f mon-api.yaml"
    look = ("kubectl get pods -n {namespace}",)
    pod: str


class CreationRefused(Lesson):
    """The API server refuses the pods of a Deployment (`said`: why)."""

    finding = "Le Deployment {name} existe, mais le cluster a refusé de créer son pod : {said}"
    cause = (
        "Un Deployment est accepté avant ses pods : chacun d’eux est jugé à sa création, sans que "
        "kubectl le dise."
    )
    fix = f"Corrigez ce qui est refusé. {APPLY}"
    look = (
        "kubectl describe deployment {name} -n {namespace}",
        "kubectl describe replicaset -n {namespace} -l app=mon-api",
    )
    name: str
    said: str


class QuotaExceeded(CreationRefused):
    """The namespace has all the pods, or resources, that it may have."""

    cause = (
        "Votre namespace n’a droit qu’à une quantité limitée de pods et de ressources "
        "(ResourceQuota)."
    )
    fix = f"Supprimez ce qui ne vous sert plus (kubectl get pods), ou demandez moins. {APPLY}"


class QuotaToBeSaid(CreationRefused):
    """The quota counts a resource that a container does not ask for."""

    cause = "Le quota de ce namespace exige que chaque conteneur dise ce qu’il demande."
    fix = f"Écrivez les « resources » du conteneur (requests et limits). {APPLY}"


class UnknownAccount(CreationRefused):
    """The pod names a ServiceAccount that does not exist."""

    cause = (
        "Un pod agit au nom d’un ServiceAccount de son namespace ; celui que le manifeste cite "
        "n’existe pas."
    )
    fix = f"Retirez « serviceAccountName », ou citez un compte qui existe. {APPLY}"


class Asleep(Lesson):
    """The Deployment was scaled down to no pod."""

    finding = "Le Deployment {name} existe, mais il demande 0 pod (replicas: 0)."
    cause = (
        "Un Deployment crée autant de pods que « replicas » le dit ; 0 met l’application en "
        "sommeil."
    )
    fix = "Demandez-en un : kubectl scale deployment {name} --replicas=1"
    look = ("kubectl get deployment {name} -n {namespace}",)
    name: str


class AsleepInItsFile(Asleep):
    """The file that was last applied asks for no pod."""

    fix = "Demandez-en un. Écrivez ceci, puis : kubectl apply -f mon-api.yaml"


class JustMade(Lesson):
    """The Deployment is so new that nothing is known of its pods."""

    finding = "Le Deployment {name} vient d’être créé ; il n’a pas encore de pod."
    cause = "Le cluster crée ses pods juste après."
    fix = "Attendez une seconde et vérifiez de nouveau."
    look = ("kubectl get pods -n {namespace}",)
    name: str


class OtherLabels(Lesson):
    """A pod looks like the API's without its label."""

    finding = (
        "Aucun pod ne porte l’étiquette app=mon-api dans {namespace} ; le pod {pod} porte {labels}."
    )
    cause = (
        "Ce ne sont pas leurs noms qui relient les objets de Kubernetes, mais leurs étiquettes "
        "(labels)."
    )
    fix = (
        "Écrivez « app: mon-api » dans les étiquettes du pod (template.metadata.labels et "
        "selector), supprimez l’ancien Deployment, dont le selector ne se change pas, puis "
        "appliquez de nouveau."
    )
    look = ("kubectl get pods -n {namespace} --show-labels",)
    pod: str
    labels: str


NO_LABEL = "aucune étiquette"


class NoPod(Lesson):
    """Nothing in the namespace looks like the API."""

    finding = "Aucun pod ne porte l’étiquette app=mon-api dans le namespace {namespace}."
    cause = "Le manifeste n’a pas été appliqué, ou l’a été dans un autre namespace."
    fix = "Appliquez vos manifestes : kubectl apply -f code.yaml -f mon-api.yaml"
    look = ("kubectl get deployments,pods -n {namespace} --show-labels",)


# -- in its pod ------------------------------------------------------------------------------------


class NothingListens(Lesson):
    """The pod refuses a connection to the port of the lab."""

    finding = "Dans le pod {pod}, rien n’écoute sur le port 8000."
    cause = (
        "« containerPort » n’est qu’une indication : seul le programme décide du port où il écoute."
    )
    fix = f"Faites écouter votre programme sur 8000. {APPLY}"
    look = ("kubectl logs {pod} -n {namespace}",)
    pod: str


class ListensElsewhere(NothingListens):
    """The program listens on other ports."""

    finding = "Dans le pod {pod}, rien n’écoute sur le port 8000. Il écoute sur {ports}."
    ports: str


class SpeaksNoHttp(Lesson):
    """Something listens there, and does not answer a request."""

    finding = "Dans le pod {pod}, quelque chose écoute sur le port 8000, mais {silence}."
    cause = "Un port ouvert ne prouve rien : c’est l’échange qui compte, ici une requête HTTP."
    fix = f"Cherchez dans le journal ce que le programme a fait de la requête. {APPLY}"
    look = ("kubectl logs {pod} -n {namespace}",)
    pod: str
    silence: str


# -- through the tunnel ----------------------------------------------------------------------------


class ExchangeCut(Lesson):
    """Through the tunnel, the exchange does not come to its end."""

    finding = "Sur localhost:{port}, l’échange HTTP ne va pas jusqu’au bout : {silence}."
    cause = "Le tunnel mène au bon pod, mais il a été coupé pendant l’échange."
    fix = "Fermez-le s’il tourne encore, et rouvrez-le dans un second terminal."
    look = ("curl -i http://localhost:{port}/",)
    port: int
    silence: str


# -- this lab's words in what several labs tell ----------------------------------------------------

YOUR_API = "votre API"
