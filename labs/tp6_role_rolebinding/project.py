"""A project's namespace: all its members own it, and this lab has nothing to give them."""

from __future__ import annotations

from checks.capabilities import Cluster
from checks.diagnosis.rights.people import as_colleague, is_project, owners
from checks.errors import Unverifiable
from checks.facts import OWNER_BINDING

from . import lessons


def refuse_a_member(cluster: Cluster) -> None:
    """Raises Unverifiable when a colleague is known to own the namespace."""
    for one in cluster.colleagues if is_project(cluster) else ():
        theirs = as_colleague(cluster, one) if _groups(cluster) else None
        of_the_group = (
            theirs is not None
            and theirs.may("create", "rolebindings.rbac.authorization.k8s.io").allowed
        )
        if of_the_group or ("User", one.user) in owners(cluster):
            member = lessons.Member(
                namespace=cluster.namespace, user=one.user, binding=OWNER_BINDING
            )
            raise Unverifiable(str(member), lessons.ANOTHER_COLLEAGUE)


def require_no_member(cluster: Cluster) -> None:
    """Raises Unverifiable when a colleague may be a member: the cluster tells nobody who is in a
    group."""
    groups = _groups(cluster)
    for one in cluster.colleagues if groups else ():
        if as_colleague(cluster, one) is None:
            perhaps = lessons.PerhapsMember(
                user=one.user, namespace=cluster.namespace, groups=groups
            )
            ask = lessons.AskAboutSecrets(namespace=cluster.namespace)
            raise Unverifiable(str(perhaps), str(ask))


def _groups(cluster: Cluster) -> str:
    """The groups to whom the platform gave the namespace, "" for none."""
    return ", ".join(name for kind, name in owners(cluster) if kind == "Group")
