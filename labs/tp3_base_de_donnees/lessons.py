"""Ce que le TP 3 dit quand une phrase n’est pas vraie. Corriger un texte ne demande de toucher à
rien d’autre."""

from __future__ import annotations

from checks.diagnosis.databases.catalogue import RELAUNCH
from checks.lesson import Clause, Lesson


class SilentServer(Lesson):
    """The pod is ready, and PostgreSQL does not answer in it."""

    finding = (
        "Le pod {pod} est prêt, mais PostgreSQL n’y répond pas sur le port {port} ({silence})."
    )
    cause = "« Prêt » veut dire que la sonde du conteneur réussit, pas que votre client sera servi."
    fix = f"Lisez le journal du pod. {RELAUNCH}"
    look = ("kubectl logs {pod} -n {namespace}",)
    pod: str
    port: int
    silence: str


# -- a tunnel that is no longer open ---------------------------------------------------------------

PSQL_HAS_LEFT = (
    "Quitter psql aussi, bien souvent : sa session est chiffrée (TLS), le serveur s’en va sans en "
    "lire le dernier message, et kubectl prend cette coupure pour la perte du pod (« lost "
    "connection to pod »)."
)
LEAVE_IT_OPEN = (
    "« PGSSLMODE=disable psql … » ne le ferme pas, sur une base qui admet aussi les sessions sans "
    "TLS, comme celles du catalogue : l’étape 4 de l’énoncé dit ce qui reste chiffré."
)


# -- what answers on this machine ------------------------------------------------------------------


class NotTheBase(Lesson):
    """What the two kinds have in common: what answers on localhost is not known to be the base."""

    fix = (
        "Fermez ce qui écoute sur ce port et rouvrez le tunnel vers le pod de votre base, dans un "
        "second terminal."
    )
    look = ("ps aux | grep port-forward", "ss -ltnp   (Windows : netstat -ano)")
    port: int


class AnotherServer(NotTheBase):
    """It is a server that runs in none of the bases' pods."""

    finding = "Le serveur atteint par localhost:{port} n’est pas celui du pod {pods}."
    cause = (
        "Deux serveurs PostgreSQL répondent : l’un sur votre port, l’autre dans le pod. Vos "
        "données iraient au premier."
    )
    pods: str


class ExchangeCut(NotTheBase):
    """The exchange does not come to its end."""

    finding = "Sur localhost:{port}, PostgreSQL ne répond pas jusqu’au bout : {silence}."
    cause = "Le tunnel a été coupé en cours d’échange."
    silence: str


# -- the account of the Secret ---------------------------------------------------------------------


class NoSecret(Lesson):
    """The base has no Secret any more."""

    finding = "Le Secret {name} n’existe pas dans le namespace {namespace}."
    cause = (
        "La plateforme y range l’utilisateur et le mot de passe de la base : sans lui, ni vous, ni "
        "les services que vous branchez sur elle, ne les y lisez plus."
    )
    fix = "Rétablissez-le à partir de sa copie, si elle existe ; sinon relancez la base."
    look = ("kubectl get secrets -n {namespace}", "kubectl describe secret {name} -n {namespace}")
    name: str


class NoAccount(NoSecret):
    """Its Secret lacks the user, the password, or both."""

    finding = "Le Secret {name} ne contient pas de clé {keys}."
    keys: str


OR = " ou "


class NoSessionNow(Lesson):
    """The account may be right: the server takes no session for the time being."""

    finding = "La base {name} n’accepte pas de session pour l’instant : {message}"
    cause = "Elle démarre, s’arrête, ou toutes ses places sont prises par d’autres sessions."
    fix = "Fermez vos sessions ouvertes, puis recommencez."
    look = ("kubectl logs {pod} -n {namespace}",)
    name: str
    pod: str
    message: str


class LineFeed(Lesson):
    """A password that was copied into the Secret with the end of its line."""

    finding = (
        "Le mot de passe rangé dans le Secret {name} finit par un saut de ligne ; celui de la base "
        "n’en a pas."
    )
    cause = (
        "Quand vous le relisez avec $(…), le shell retire cette fin de ligne. Un pod la garde : "
        "les services qui reçoivent ce mot de passe sont refusés par la base."
    )
    fix = (
        "Récrivez la clé {key} sans cette fin de ligne : « echo » en ajoute une, « echo -n » n’en "
        "ajoute pas."
    )
    look = (
        "kubectl get secret {name} -n {namespace} -o jsonpath='{{.data.{key}}}' | base64 -d | wc "
        "-l",
    )
    name: str
    key: str


class AccountRefused(Lesson):
    """The Secret and the base do not agree."""

    finding = (
        "La base {name} refuse le compte {user} avec le mot de passe rangé dans le Secret {name} : "
        "{message}"
    )
    cause = (
        "Ce Secret n’est qu’une copie : changer le mot de passe dans la base ne le change pas dans "
        "le Secret {name}, et le changer dans ce Secret ne le change pas dans la base. Les "
        "services qui lisent le Secret ne se connectent plus."
    )
    fix = "Mettez les deux d’accord : donnez à ce compte, dans la base, le mot de passe du Secret."
    look = ("kubectl describe secret {name} -n {namespace}",)
    name: str
    user: str
    message: str


class AdmittedNowhere(Clause):
    """The base knows the account, and no database that was tried admits it."""

    text = "Le compte {user} est reconnu, mais aucune des bases essayées ne l’admet : {message}"
    user: str
    message: str


WRITE_ITS_DATABASE = "Ajoutez au Secret une clé « database » avec le nom de la vôtre."


# -- this lab's words in what several labs tell ----------------------------------------------------

THE_BASE = "la base"
NO_POLICY_STOPS_IT = (
    "Un tunnel entre dans le pod par sa propre boucle locale : aucune NetworkPolicy ne l’arrête. "
    "Seuls les droits du namespace le réservent à son propriétaire."
)
NOT_ENCRYPTED = (
    "Un Secret n’est pas chiffré pour qui a le droit de le lire : base64 n’est qu’une écriture."
)
ADMINISTRATOR_INSIDE = (
    "Dans le conteneur, psql ouvre une session d’administrateur sans mot de passe."
)
