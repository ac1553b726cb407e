"""Ce que le TP 5 dit quand une phrase n’est pas vraie. Corriger un texte ne demande de toucher à
rien d’autre."""

from __future__ import annotations

from checks.diagnosis.databases.relay_failures import Misplaced
from checks.lesson import Lesson

APPLY = "Corrigez proxy.yaml, supprimez l’ancien pod, puis appliquez de nouveau le manifeste."


class NoRelay(Lesson):
    """No pod has the relay's name. `never_admitted`: why there may be none, a sentence or
    nothing."""

    finding = "Aucun pod « pg-proxy » dans le namespace {namespace}."
    cause = (
        "Le manifeste n’a pas été appliqué, ou l’a été dans un autre namespace ou sous un autre "
        "nom.{never_admitted}"
    )
    fix = "Appliquez votre manifeste : kubectl apply -f proxy.yaml"
    look = ("kubectl get pods -n {namespace}",)
    never_admitted: str


class RelayUnderAnotherName(NoRelay):
    """A pod runs socat, and is called otherwise."""

    finding = (
        "Aucun pod « pg-proxy » dans le namespace {namespace}. Le pod {other} utilise bien socat, "
        "mais porte un autre nom."
    )
    other: str


class OneClientOnly(Lesson):
    """The second of two clients is refused: socat without `fork`."""

    finding = (
        "Le pod pg-proxy n’accepte qu’un seul client : le second est refusé. Sans l’option fork, "
        "socat sert un seul client, puis s’arrête."
    )
    cause = (
        "L’option « fork » de TCP-LISTEN crée un processus par client ; un client PostgreSQL en "
        "ouvre souvent plusieurs."
    )
    fix = f"Ajoutez fork : TCP-LISTEN:5432,fork,reuseaddr. {APPLY}"
    look = ("kubectl get pod pg-proxy -n {namespace}",)


class EndedAfterOneClient(OneClientOnly):
    """The same socat, once its client has left."""

    finding = (
        "Le conteneur du pod pg-proxy s’est arrêté sans erreur (code 0). Sans l’option fork, socat "
        "sert un seul client, puis s’arrête."
    )


class NothingListens(Lesson):
    """Nothing waits for clients on the port where the tunnel of the lab leads."""

    finding = "Dans le pod pg-proxy, rien n’écoute sur le port 5432."
    cause = (
        "« TCP-LISTEN:PORT » dit à socat où attendre les clients ; le tunnel du TP mène au port "
        "5432."
    )
    fix = f"Écrivez TCP-LISTEN:5432,fork,reuseaddr. {APPLY}"
    look = ("kubectl logs pg-proxy -n {namespace}",)


class ListensElsewhere(NothingListens):
    """The manifest names other ports than that one."""

    finding = "Dans le pod pg-proxy, rien n’écoute sur le port 5432. Il écoute sur {ports}."
    ports: str


class LeadsElsewhere(Lesson):
    """The manifest explains why the relay does not lead to the colleague's."""

    finding = "{why.finding}"
    cause = "{why.cause}"
    fix = "{why.fix}"
    look = ("kubectl get pod pg-proxy -n {namespace} -o jsonpath='{{.spec.containers[*].args}}'",)
    why: Misplaced


class ServerOfAnotherNamespace(Lesson):
    """The relay showed where it went to serve a client."""

    finding = (
        "Le proxy mène à un serveur PostgreSQL du namespace « {place} », pas de « {colleague} »."
    )
    cause = (
        "Le pod montre l’adresse qu’il a jointe pour servir un client : elle est dans ce namespace."
    )
    fix = "Visez le Service du namespace {colleague}."
    look = ("kubectl describe pod pg-proxy -n {namespace}",)
    place: str


class ServerOfNobodyKnown(Lesson):
    """The server reached is not the colleague's, and nothing tells whose it is."""

    finding = "Le serveur PostgreSQL atteint à travers le proxy n’est aucun de ceux de {colleague}."
    cause = (
        "Deux serveurs se distinguent par leur empreinte, lue ici dans le pod de votre collègue."
    )
    fix = "Visez le Service du namespace {colleague}."
    look = ("kubectl describe pod pg-proxy -n {namespace}",)


class ExchangeCut(Lesson):
    """Through the tunnel, the exchange does not come to its end."""

    finding = "Sur localhost:{port}, PostgreSQL ne répond pas jusqu’au bout : {silence}."
    cause = "Le tunnel ou le proxy a coupé la connexion en cours d’échange."
    fix = "Fermez le tunnel et rouvrez-le dans un second terminal."
    look = ("kubectl logs pg-proxy -n {namespace}",)
    port: int
    silence: str


class TwoServers(Lesson):
    """What answers on this machine is not what answers in the relay."""

    finding = "Le serveur atteint par localhost:{port} n’est pas celui que le proxy atteint."
    cause = "Deux bases différentes répondent : la vôtre, par exemple, et celle de votre collègue."
    fix = "Fermez le tunnel et rouvrez-le vers pod/pg-proxy."
    look = ("ps aux | grep port-forward",)
    port: int


# -- this lab's words in what several labs tell ----------------------------------------------------

UNRESOLVED = (
    "socat ne résout le nom qu’à l’arrivée d’un client : le pod reste « Running » malgré l’erreur."
)
UNANSWERED = (
    "Vérifiez le nom et le port avec votre collègue (kubectl get svc, dans son namespace), "
    "corrigez proxy.yaml et refaites le pod."
)
THE_RELAY = "le pod pg-proxy"
SERVE_ALL = (
    f"Laissez-le servir tous ceux qui viennent, par exemple TCP-LISTEN:5432,fork,reuseaddr. {APPLY}"
)
