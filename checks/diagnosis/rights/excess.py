"""Which rights break a sentence: one that allows a tunnel to a base and nothing else, or one that
denies something."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from enum import StrEnum

from checks.capabilities import Cluster
from checks.diagnosis.databases.catalogue import databases, release_of_service
from checks.diagnosis.rights.leaks import Concern
from checks.diagnosis.rights.people import opening_verbs
from checks.diagnosis.rights.rbac import Request
from checks.diagnosis.rights.wording import READS, WRITES, reaches_secrets

_WITHIN = ("exec", "attach", "ephemeralcontainers", "log")
_PATHS = ("portforward", "proxy")  # ways to a pod that change nothing in it


class Excess(StrEnum):
    """The kinds of what is too much: each right is of one, and of one only."""

    SECRET = "secret"
    INSIDE = "inside"
    CHANGE = "change"
    OTHER = "other"


def kind_of(request: Request) -> Excess:
    """Which kind of excess a right is, were it one."""
    whole = (request.group, request.resource) if not request.subresource else ("", "")
    if whole == ("", "secrets") and request.verb in READS:
        return Excess.SECRET
    if (request.group, request.resource) == ("", "pods") and request.subresource in _WITHIN:
        return Excess.INSIDE
    if (
        request.verb in WRITES
        and request.subresource not in _PATHS
        and request.group != "authorization.k8s.io"
    ):
        return Excess.CHANGE
    return Excess.OTHER


def is_tunnel(request: Request) -> bool:
    """Whether it is a right on tunnels to pods, by a verb that opens one on some version of
    Kubernetes."""
    where = (request.group, request.resource, request.subresource)
    return where == ("", "pods", "portforward") and request.verb in ("create", "get")


def tolerated(cluster: Cluster, request: Request) -> bool:
    """Whether it is part of a tunnel to a base: reading pods, opening it, reading the base's
    Service by its name.

    `port-forward svc/…` lists pods, and follows them as long as none is there: neither can be
    narrowed to a name.
    """
    if is_tunnel(request):
        return _of_a_base(cluster, request.name)
    if request.subresource or request.group:
        return False
    if request.resource == "pods":
        return request.verb in READS
    releases = {one.release for one in databases(cluster)}
    return (request.resource, request.verb) == ("services", "get") and release_of_service(
        request.name
    ) in releases


def _of_a_base(cluster: Cluster, name: str) -> bool:
    """Whether it is the pod of a base, or the name of another instance of it that is not there
    yet."""
    known = databases(cluster)
    if name in {one.pod.name for one in known if one.pod is not None}:
        return True
    instance = re.fullmatch(r"(.+)-\d+", name)
    return (
        instance is not None
        and cluster.pod(name) is None
        and instance[1] in {one.release for one in known}
    )


def beyond_a_tunnel(cluster: Cluster, *kinds: Excess) -> Concern:
    """The rights of these kinds that exceed a tunnel to a base."""

    def broken_by(request: Request) -> Iterator[Request]:
        if kind_of(request) in kinds and not tolerated(cluster, request):
            yield request

    return Concern(broken_by)


# -- sentences that deny one thing -----------------------------------------------------------------


def _on(request: Request, names: Sequence[str]) -> Iterator[Request]:
    """The same right on each of these objects that it covers."""
    if request.name:
        yield from (request,) if request.name in names else ()
    else:
        yield from (replace(request, name=name) for name in names)


def tunnel_to(cluster: Cluster, pods: Sequence[str]) -> Concern:
    """Opening a tunnel to one of these pods."""
    verbs = opening_verbs(cluster)
    return Concern(
        lambda request: _on(request, pods) if is_tunnel(request) and request.verb in verbs else (),
        by_name=True,
    )


def entering(cluster: Cluster, pods: Sequence[str]) -> Concern:
    """Running something in one of these pods."""
    verbs = {
        "exec": opening_verbs(cluster),
        "attach": opening_verbs(cluster),
        "ephemeralcontainers": ("patch", "update"),
    }

    def broken_by(request: Request) -> Iterator[Request]:
        inside = (request.group, request.resource) == ("", "pods") and request.verb in verbs.get(
            request.subresource, ()
        )
        return _on(request, pods) if inside else iter(())

    return Concern(broken_by, by_name=True)


def obtaining(secrets: Sequence[str]) -> Concern:
    """Reading one of these Secrets, or having it by a pod, an account or a role of one's own
    choice."""

    def broken_by(request: Request) -> Iterator[Request]:
        if kind_of(request) is Excess.SECRET:
            yield from _on(replace(request, verb="get"), secrets)
            if not request.name or request.name in secrets:
                yield request
        elif reaches_secrets(request):
            yield request

    def effect(request: Request) -> str:
        return ", donc obtenir n’importe lequel de vos Secrets" if reaches_secrets(request) else ""

    return Concern(broken_by, effect)


def touching(cluster: Cluster, pod: str) -> Concern:
    """Running something in this pod, changing any of the namespace's, or what keeps the network
    from them."""
    within = entering(cluster, [pod])

    def broken_by(request: Request) -> Iterable[Request]:
        yield from within.broken_by(request)
        if kind_of(request) is not Excess.CHANGE or reaches_secrets(request):
            return
        if request.resource in ("pods", "services", "networkpolicies") or request.group in (
            "apps",
            "batch",
        ):
            yield request

    return Concern(broken_by)
