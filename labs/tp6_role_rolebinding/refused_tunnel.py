"""Why a colleague may not open a tunnel: the binding that misses them, else the role that misses the right.

Read in the objects, once the API server has said no.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from checks.diagnosis.workloads.objects import named
from checks.facts import OWNER_BINDING, Cluster, Colleague, Pod


def _bindings(cluster: Cluster) -> Sequence[Mapping[str, Any]]:
    return [one for one in cluster.objects("RoleBinding") if one["metadata"]["name"] != OWNER_BINDING]


def _names(binding: Mapping[str, Any], kind: str, name: str) -> bool:
    return any((one["kind"], one["name"]) == (kind, name) for one in binding.get("subjects") or ())


def why_not(cluster: Cluster, colleague: Colleague, pod: Pod, verb: str, resource: str) -> tuple[str, str]:
    """Finding and cause: the binding that misses the colleague, else the role that misses the right."""
    user = colleague.user
    ours = [one for one in _bindings(cluster) if _names(one, "User", user)]
    if not ours:
        return _nobody_named(cluster, colleague)
    said = f"L’API refuse à {user} « {verb} » sur {resource} du pod {pod.name}"
    for binding in ours:
        name, reference = binding["metadata"]["name"], binding["roleRef"]
        if reference["kind"] == "ClusterRole":
            found = f"la RoleBinding « {name} » lui donne le ClusterRole « {reference['name']} », qui n’y suffit pas"
            return f"{said} : {found}.", "Un ClusterRole tout fait ne contient pas forcément ce qu’il vous faut."
        if named(cluster, "Role", reference["name"]) is None:
            return (
                f"La RoleBinding « {name} » désigne le Role « {reference['name']} », qui n’existe pas dans "
                f"{cluster.namespace}.",
                "Une RoleBinding ne donne rien par elle-même : son Role disparu, elle reste, sans effet.",
            )
    roles = [one for one in cluster.objects("Role") if one["metadata"]["name"] in {b["roleRef"]["name"] for b in ours}]
    names = " et ".join(f"« {one['metadata']['name']} »" for one in roles)
    rules = [rule for role in roles for rule in role.get("rules") or ()]
    found, cause = _lacking(rules, pod.name, verb, resource)
    return f"{said} : le Role {names} {found}.", cause


def _nobody_named(cluster: Cluster, colleague: Colleague) -> tuple[str, str]:
    short = colleague.namespace.removeprefix("user-")
    for binding in _bindings(cluster):
        name = binding["metadata"]["name"]
        for subject in binding.get("subjects") or ():
            place = subject.get("namespace") or cluster.namespace
            if subject["kind"] == "ServiceAccount" and (short in subject["name"] or place == colleague.namespace):
                return (
                    f"La RoleBinding « {name} » s’adresse au compte de service « {subject['name']} » de {place}.",
                    "Un compte de service est l’identité d’un pod, pas d’une personne. Si votre collègue travaille "
                    "dans ce pod (un service VSCode), nommez-le : --utilisateur-collegue "
                    f"system:serviceaccount:{place}:{subject['name']}",
                )
            if subject["kind"] == "Group" and subject["name"] in (colleague.user, colleague.namespace, short):
                return (
                    f"La RoleBinding « {name} » s’adresse au groupe « {subject['name']} », pas à un utilisateur.",
                    "L’API n’ajoute pas une personne à un groupe qui porterait son nom.",
                )
            if re.split(r"[-:@]", subject["name"].lower(), maxsplit=1)[-1] == short:
                return (
                    f"La RoleBinding « {name} » s’adresse à « {subject['name']} » : ce n’est le nom de personne.",
                    "Le nom d’une personne pour l’API n’est pas celui de son namespace ; l’API ne corrige rien et "
                    "n’avertit pas. « kubectl auth whoami » donne le vrai nom à qui le demande pour soi.",
                )
    others = sorted({str(one["name"]) for item in _bindings(cluster) for one in item.get("subjects") or ()})
    seen = f" Celles qui existent s’adressent à : {', '.join(others)}." if others else ""
    return (
        f"Aucune RoleBinding du namespace {cluster.namespace} ne s’adresse à {colleague.user}.{seen}",
        "Un Role ne donne rien à lui seul : c’est la RoleBinding qui l’adresse à quelqu’un.",
    )


def _lacking(rules: Sequence[Mapping[str, Any]], pod: str, verb: str, resource: str) -> tuple[str, str]:
    """What the rules miss of one right, as the end of a sentence, and why it matters."""

    def about(part: str, *wanted: str) -> list[Mapping[str, Any]]:
        return [rule for rule in rules if {*wanted, "*"} & set(rule.get(part) or ())]

    on_it = about("resources", resource)
    if not on_it:
        if about("resources", "services/portforward") and resource == "pods/portforward":
            return (
                "parle de services/portforward",
                "Cette sous-ressource n’existe pas : un tunnel vers un Service choisit un pod, et s’ouvre vers lui.",
            )
        if about("resources", "pods/*") and resource == "pods/portforward":
            return (
                "parle de « pods/* », qui ne désigne rien",
                "RBAC ne connaît que « * », toutes les ressources, et « */portforward » : une sous-ressource s’écrit "
                "en entier.",
            )
        return f"n’a aucune règle sur {resource}", "Lire un pod et y ouvrir un tunnel sont deux droits distincts."
    with_verb = [rule for rule in on_it if {verb, "*"} & set(rule.get("verbs") or ())]
    if not with_verb:
        verbs = ", ".join(f"« {one} »" for rule in on_it for one in rule.get("verbs") or ())
        return (
            f"ne permet sur {resource} que {verbs}",
            "Chaque verbe est un droit à part ; ouvrir un tunnel, c’est en créer un.",
        )
    names = ", ".join(f"« {one} »" for rule in with_verb for one in rule.get("resourceNames") or ())
    return (
        f"ne le permet que sur {names}",
        "resourceNames contient des noms d’objets de la ressource citée : ici des pods, pas leur Service.",
    )
