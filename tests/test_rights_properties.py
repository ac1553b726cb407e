"""What the checks say of random Roles and RoleBindings is what the API server answers to the colleague."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from checks.access.kubernetes_api import Api
from checks.lab import find_lab
from checks.sources.live_cluster import LiveCluster
from checks.sources.machine import LocalMachine
from checks.stage import Person, Stage
from tests.waiting import until

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

EXAMPLES = int(os.environ.get("CAHIER_EXEMPLES", "15"))
RBAC = "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/{}"
BASE = "postgresql-cnpg-951239"
POD = f"{BASE}-1"
LAB = find_lab("tp6")
Rule = dict[str, Any]


@dataclass(frozen=True)
class Share:
    """An owner with a database, and a colleague who asks the API server for themselves."""

    admin: Api
    owner: LiveCluster
    colleague: LiveCluster

    def holding(self, roles: Sequence[Sequence[Rule]], subjects: Sequence[Sequence[Mapping[str, str]]]) -> None:
        """These roles and no others, each with its own binding."""
        namespace = self.owner.namespace
        for kind in ("rolebindings", "roles"):
            path = RBAC.format(namespace, kind)
            for item in self.admin.request("GET", path)["items"]:
                if item["metadata"]["name"].startswith("essai-"):
                    self.admin.request("DELETE", f"{path}/{item['metadata']['name']}")
        for index, (rules, named) in enumerate(zip(roles, subjects, strict=True)):
            self._bind(f"essai-{index}", rules, named)
        self._wait_until_known()
        self.owner.refresh()
        self.colleague.refresh()

    def _bind(self, name: str, rules: Sequence[Rule], subjects: Sequence[Mapping[str, str]]) -> None:
        about = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": name}}
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
        role = {**about, "kind": "Role", "rules": rules}
        binding = {**about, "kind": "RoleBinding", "roleRef": reference, "subjects": subjects}
        self.admin.request("POST", RBAC.format(self.owner.namespace, "roles"), role)
        self.admin.request("POST", RBAC.format(self.owner.namespace, "rolebindings"), binding)

    def _wait_until_known(self) -> None:
        """The API server learns of roles and bindings a moment after it took them, each kind in its order."""
        last = uuid.uuid4().hex
        rule = {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [last], "verbs": ["get"]}
        self._bind(f"essai-{last}", [rule], [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": last}])
        asked = {"namespace": self.owner.namespace, "verb": "get", "resource": "configmaps", "name": last}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {"user": last, "resourceAttributes": asked},
        }
        path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        until(lambda: self.admin.request("POST", path, review)["status"]["allowed"], seconds=30, pause=0.05)

    def may(self, verb: str, resource: str, name: str = "") -> bool:
        """The API server's answer to the colleague's own question."""
        return self.colleague.may(verb, resource, name=name, namespace=self.owner.namespace).allowed

    def passes(self, identifier: str) -> bool:
        """Whether a check of the lab finds nothing wrong."""
        check = next(one for one in LAB.checks if one.id == identifier)
        return check.function(self.owner) is None


@pytest.fixture(scope="module")
def share(admin: Api, new_resident: Callable[..., Person]) -> Callable[[], Share]:
    owner, colleague = new_resident("r"), new_resident("r")
    Stage(LAB, owner, colleague).run(LAB.about.setup.commands)
    machine = LocalMachine()
    made = Share(
        admin,
        LiveCluster(machine, kubeconfig_path=str(owner.kubeconfig), colleague=colleague.namespace),
        LiveCluster(machine, kubeconfig_path=str(colleague.kubeconfig)),
    )
    return lambda: made


def rules() -> st.SearchStrategy[Rule]:
    resources = st.sampled_from(["pods", "pods/portforward", "pods/exec", "pods/log", "secrets", "services", "*"])
    verbs = st.sampled_from(["get", "list", "watch", "create", "delete", "*"])
    names = st.sampled_from([POD, BASE, f"{BASE}-rw", "autre"])
    return st.fixed_dictionaries(
        {
            "apiGroups": st.sampled_from([[""], ["apps"], ["*"], ["", "apps"]]),
            "resources": st.lists(resources, min_size=1, max_size=2, unique=True),
            "verbs": st.lists(verbs, min_size=1, max_size=2, unique=True),
        },
        optional={"resourceNames": st.lists(names, min_size=1, max_size=2, unique=True)},
    )


SUBJECTS = ("colleague", "namespace", "group", "account", "everybody")


def real_subjects(kinds: Sequence[str], colleague: LiveCluster) -> Sequence[Mapping[str, str]]:
    group = {"apiGroup": "rbac.authorization.k8s.io"}
    known: Mapping[str, Mapping[str, str]] = {
        "colleague": {"kind": "User", "name": colleague.user, **group},
        "namespace": {"kind": "User", "name": colleague.namespace, **group},
        "group": {"kind": "Group", "name": colleague.user, **group},
        "account": {"kind": "ServiceAccount", "name": "default", "namespace": colleague.namespace},
        "everybody": {"kind": "Group", "name": "system:authenticated", **group},
    }
    return [known[kind] for kind in kinds]


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="CI" in os.environ,  # the same cases at each run there; new ones elsewhere
    suppress_health_check=list(HealthCheck),
    database=None,
)
@given(
    drawn=st.lists(
        st.tuples(
            st.lists(rules(), min_size=1, max_size=3),
            st.lists(st.sampled_from(SUBJECTS), min_size=1, max_size=2, unique=True),
        ),
        min_size=1,
        max_size=2,
    )
)
def test_the_verdict_on_random_roles_is_the_api_server_s(
    share: Callable[[], Share], drawn: list[tuple[list[Rule], list[str]]]
) -> None:
    here = share()
    here.holding([some for some, _ in drawn], [real_subjects(kinds, here.colleague) for _, kinds in drawn])
    enters = here.may("get", "pods", POD) and here.may("create", "pods/portforward", POD)
    reads = here.may("list", "secrets") or here.may("watch", "secrets") or here.may("get", "secrets", BASE)
    acts = here.may("create", "pods/exec", POD) or here.may("create", "pods/attach", POD)
    logs = here.may("get", "pods/log", POD)
    changes = any(here.may(verb, "pods", POD) for verb in ("delete", "patch", "update", "create"))
    assert here.passes("votre_collegue_peut_ouvrir_le_tunnel") == enters
    secrets = ("get", "secrets")
    others = any(here.may(*secrets, f"{BASE}{suffix}") for suffix in ("-user", "-superuser"))
    assert here.passes("votre_collegue_ne_lit_aucun_secret") == (not (reads or others))
    assert here.passes("votre_collegue_n_entre_pas_dans_les_pods") == (not (acts or logs))
    if changes:
        assert not here.passes("votre_collegue_ne_change_rien")
    everybody = any("everybody" in kinds for _, kinds in drawn)
    if here.may("create", "pods/portforward", POD) and everybody:
        stranger = here.owner.may_other("cahier-inconnu", "create", "pods/portforward", name=POD)
        assert here.passes("personne_d_autre_n_ouvre_de_tunnel") == (not stranger.allowed)
