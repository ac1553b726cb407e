"""A project's namespace: all its members own it, and this lab has nothing to give them."""

from __future__ import annotations

from checks.capabilities import Cluster
from checks.diagnosis.rights.people import as_colleague, is_project, owners
from checks.errors import Unverifiable
from checks.facts import OWNER_BINDING

from . import lessons


def refuse_a_member(cluster: Cluster) -> None:
    """Raises Unverifiable when the colleague is known to own the namespace."""
    if not is_project(cluster):
        return
    theirs = as_colleague(cluster, cluster.colleague) if _groups(cluster) else None
    of_the_group = (
        theirs is not None
        and theirs.may("create", "rolebindings.rbac.authorization.k8s.io").allowed
    )
    if of_the_group or ("User", cluster.colleague.user) in owners(cluster):
        member = lessons.Member(
            namespace=cluster.namespace, user=cluster.colleague.user, binding=OWNER_BINDING
        )
        raise Unverifiable(str(member), lessons.ANOTHER_COLLEAGUE)


def require_no_member(cluster: Cluster) -> None:
    """Raises Unverifiable when the colleague may be a member: the cluster tells nobody who is in a
    group."""
    groups, user = _groups(cluster), cluster.colleague.user
    if groups and as_colleague(cluster, cluster.colleague) is None:
        perhaps = lessons.PerhapsMember(user=user, namespace=cluster.namespace, groups=groups)
        raise Unverifiable(str(perhaps), str(lessons.AskAboutSecrets(namespace=cluster.namespace)))


def _groups(cluster: Cluster) -> str:
    """The groups to whom the platform gave the namespace, "" for none."""
    return ", ".join(name for kind, name in owners(cluster) if kind == "Group")
