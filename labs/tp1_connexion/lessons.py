"""Ce que le TP 1 dit quand une phrase n’est pas vraie. Corriger un texte ne demande de toucher à
rien d’autre."""

from __future__ import annotations

from checks.errors import ConfigurationRefused
from checks.lesson import Clause, Lesson


class NoKubectl(Lesson):
    """No kubectl that runs is in the PATH."""

    finding = "Aucun programme « kubectl » utilisable n’a été trouvé dans le PATH de ce terminal."
    cause = (
        "Toutes les commandes des TP passent par lui : c’est lui qui parle à l’API de Kubernetes."
    )
    fix = (
        "Installez-le (https://kubernetes.io/fr/docs/tasks/tools/install-kubectl/), puis ouvrez un "
        "nouveau terminal. Dans un service VSCode du SSPCloud, il est déjà là."
    )
    look = ("command -v kubectl", "kubectl version --client")


class UnreadConfiguration(Lesson):
    """Nobody gets in with such a configuration; the refusal has its own words."""

    finding = "{refusal.message}"
    cause = "{refusal.cause}"
    fix = "{refusal.fix}"
    look = ("kubectl auth whoami", "kubectl config view --minify")
    refusal: ConfigurationRefused


# -- what cannot be decided here -------------------------------------------------------------------

NOBODY = "Le cluster répond, mais ne dit pas qui vous êtes."


class KubectlStaysOut(Clause):
    """We get in, and kubectl does not."""

    text = (
        "Avec votre configuration, le vérificateur entre dans le cluster, mais pas kubectl : « "
        "{refusal} »."
    )
    refusal: str


class AskKubectl(Clause):
    """What kubectl tells of itself."""

    text = "Lancez « kubectl auth whoami » et suivez ce qu’il dit. {copy_script}"
    copy_script: str


class KubectlAloneGetsIn(Clause):
    """Kubectl gets in, and we do not."""

    text = "{refusal} Votre kubectl s’en accommode pourtant, et entre comme « {seen} »."
    refusal: str
    seen: str


class TwoUsers(Clause):
    """Both get in, as two users."""

    text = (
        "Avec la même configuration, le cluster reconnaît le vérificateur comme « {user} », "
        "kubectl comme « {seen} »."
    )
    user: str
    seen: str


WHICH_KUBECTL = (
    "Un autre programme de ce nom, ou un fichier de préférences (kuberc), change peut-être ce que "
    "fait kubectl : « command -v kubectl » dit lequel est lancé."
)
