"""Roles, and to whom they are given.

https://kubernetes.io/docs/reference/kubernetes-api/authorization-resources/
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from checks.decoding import prepared
from checks.objects.labels import LabelSelector
from checks.objects.parts import Object, Part


class Rule(Part, frozen=True):
    """One rule of a role: verbs on resources (all of their names, or some), or on URLs that are no
    resource's."""

    api_groups: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()
    resource_names: tuple[str, ...] = ()
    non_resource_urls: tuple[str, ...] = msgspec.field(name="nonResourceURLs", default=())


class AggregationRule(Part, frozen=True):
    """The ClusterRoles whose rules another one takes."""

    cluster_role_selectors: tuple[LabelSelector, ...] = ()


class Role(Object, frozen=True):
    """A Role or ClusterRole; only the latter may have an `aggregation_rule`."""

    rules: tuple[Rule, ...] = ()
    aggregation_rule: AggregationRule | None = None


class Subject(Part, frozen=True):
    """Whom a binding names. `namespace`: a ServiceAccount's; "" for that of the binding."""

    kind: str
    name: str
    namespace: str = ""


class _RoleReference(Part, frozen=True):
    kind: str
    name: str


class BindingObject(Object, frozen=True):
    """A binding as the API gives it, which says its kind but in a list."""

    role_ref: _RoleReference
    subjects: tuple[Subject, ...] = ()
    kind: str = ""


@dataclass(frozen=True)
class Binding:
    """A RoleBinding or ClusterRoleBinding (`kind`), and the role that it gives to its subjects."""

    kind: str
    name: str
    role_kind: str
    role: str
    subjects: tuple[Subject, ...] = ()


prepared(Role, BindingObject)


def binding_of(found: BindingObject, kind: str = "") -> Binding:
    """What a binding says. `kind`: for the items of a list, which do not say theirs."""
    role = found.role_ref
    return Binding(kind or found.kind, found.metadata.name, role.kind, role.name, found.subjects)
