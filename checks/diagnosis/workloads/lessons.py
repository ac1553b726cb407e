"""What is said of a pod that is not ready; `advice` is how the lab has it made anew."""

from __future__ import annotations

from typing import ClassVar

from checks.facts import Container, Pod
from checks.lesson import Lesson


class NotReady(Lesson, kw_only=True):
    """A pod is not ready. Each kind says why."""

    look: ClassVar[tuple[str, ...]] = ("kubectl describe pod {pod.name} -n {pod.namespace}",)
    pod: Pod
    advice: str


class BeingDeleted(NotReady):
    """It is going, and keeps its name meanwhile."""

    finding = "Le pod {pod.name} est en cours de suppression."
    cause = (
        "Un pod supprimé garde son nom jusqu’à l’arrêt de ses conteneurs (30 secondes au plus, "
        "d’ordinaire)."
    )
    fix = "Attendez sa disparition, puis recréez-le. {advice}"
    look = ("kubectl get pod {pod.name} -n {pod.namespace}",)


class NoNode(NotReady):
    """No node has what it asks for."""

    finding = "Le pod {pod.name} n’a été placé sur aucun nœud : {pod.unschedulable}"
    cause = "L’ordonnanceur ne trouve pas de nœud qui ait les ressources demandées."
    fix = "Demandez moins (resources.requests). {advice}"


class MissingVolume(NotReady):
    """It waits for a ConfigMap, a Secret or a disk that does not exist."""

    finding = "Le pod {pod.name} attend un volume qui ne peut pas être monté : {said}"
    cause = (
        "Un conteneur ne démarre pas avant que tous ses volumes existent ; celui-ci cite une "
        "ConfigMap, un Secret ou un disque absent de ce namespace."
    )
    fix = "Créez ce qui manque, ou corrigez le nom cité. {advice}"
    said: str


class ProbeFails(NotReady):
    """Its containers run, and its readiness probe fails."""

    finding = "Le pod {pod.name} tourne, mais n’est pas prêt : {said}"
    cause = "Tant que la sonde « readiness » échoue, Kubernetes n’envoie aucun client à ce pod."
    fix = (
        "Accordez la sonde (readinessProbe) et le programme : même port, et une adresse qui existe."
        " {advice}"
    )
    look = (
        "kubectl describe pod {pod.name} -n {pod.namespace}",
        "kubectl logs {pod.name} -n {pod.namespace}",
    )
    said: str


class NothingListens(ProbeFails):
    """The probe's connection is refused."""

    cause = (
        "Rien n’écoute à l’adresse et au port que la sonde interroge (elle s’adresse à l’IP du "
        "pod)."
    )


class ProbeAnsweredByAnError(ProbeFails):
    """The program answers the probe with an HTTP error."""

    cause = (
        "Le programme a répondu, mais par une erreur : la sonde ne demande pas la bonne adresse."
    )


class NotYetReady(NotReady):
    """Nothing shows yet why."""

    finding = "Le pod {pod.name} n’est pas prêt (état : {pod.phase})."
    cause = "Ses conteneurs démarrent, ou sa sonde « readiness » ne répond pas encore."
    fix = "Attendez quelques secondes ; si cela dure, lisez ses événements. {advice}"


class ContainerNotReady(NotReady, kw_only=True):
    """One of its containers is why."""

    box: Container


class ImageNotPulled(ContainerNotReady):
    """Its image does not come."""

    finding = (
        "L’image « {box.image} » du pod {pod.name} n’a pas pu être téléchargée "
        "({box.waiting_reason})."
    )
    cause = (
        "Ce nom ou cette étiquette (tag) n’existe pas dans le registre, ou le registre est "
        "injoignable."
    )
    fix = "Corrigez le nom de l’image. {advice}"


class ImageRefused(ImageNotPulled):
    """The registry, or the way to it, said why."""

    cause = "{why}"
    fix = "{remedy}. {advice}"
    why: str
    remedy: str


class MissingConfiguration(ContainerNotReady):
    """It quotes a Secret or a ConfigMap that does not exist."""

    finding = (
        "Le conteneur « {box.name} » du pod {pod.name} attend une configuration absente : "
        "{box.waiting_message}"
    )
    cause = "Le manifeste cite un Secret ou une ConfigMap qui n’existe pas dans ce namespace."
    fix = "Créez ce qui manque, ou corrigez le nom cité. {advice}"


class NeverRan(ContainerNotReady):
    """The runtime could not execute the first word of `args`, the image having no program. Its log
    is empty: the reason is in its state."""

    finding = (
        "Le conteneur « {box.name} » du pod {pod.name} n’a jamais démarré : le programme "
        "« {program} » {state}."
    )
    cause = (
        "Cette image n’a pas de programme à elle (ENTRYPOINT) : le premier mot de « args » est "
        "pris pour lui. Comme rien n’a été exécuté, « kubectl logs » ne montre rien."
    )
    fix = "Nommez sous « command » un programme qui existe dans l’image. {advice}"
    program: str
    state: str


class CommandNeverRan(NeverRan):
    """The same of the first word of `command`."""

    cause = (
        "« command » remplace le programme de l’image (son ENTRYPOINT) ; « args » lui donne "
        "seulement ses arguments. Comme rien n’a été exécuté, « kubectl logs » ne montre rien."
    )
    fix = (
        "Donnez ces arguments sous « args », sans « command », ou commencez « command » par un "
        "vrai programme. {advice}"
    )


NOT_IN_THE_IMAGE = "n’existe pas dans l’image"
NOT_EXECUTABLE = "n’est pas exécutable ({})"


class Ended(ContainerNotReady):
    """Its program has ended."""

    finding = (
        "Le conteneur « {box.name} » du pod {pod.name} s’est arrêté (code {box.exit_code}, "
        "{box.restarts} redémarrage(s)). Il a dit : « {said} »."
    )
    cause = "Le programme du conteneur se termine : ses arguments ou sa configuration sont refusés."
    fix = "Lisez son journal et corrigez le manifeste. {advice}"
    look = ("kubectl logs {pod.name} -n {pod.namespace}",)
    said: str


class EndedWithoutThePort(Ended):
    """It looks for a port by its name."""

    cause = (
        "Ce programme cherche un port par son nom, que le fichier /etc/services de son image ne "
        "donne pas. Un port s’écrit aussi en chiffres."
    )


class EndedWithoutTheHost(Ended):
    """It looks for a name as it starts."""

    cause = (
        "Ce programme cherche un nom dès son démarrage, et s’arrête quand le DNS ne le lui donne "
        "pas. La forme complète d’un nom de Service est NOM.NAMESPACE.svc.cluster.local."
    )


class NotStarting(ContainerNotReady):
    """The cluster says so, in words of its own."""

    finding = "Le conteneur « {box.name} » du pod {pod.name} ne démarre pas : {said}."
    cause = "Kubernetes n’a pas pu lancer ce conteneur tel qu’il est décrit."
    fix = "Corrigez le manifeste. {advice}"
    said: str


SILENCE = "rien"
