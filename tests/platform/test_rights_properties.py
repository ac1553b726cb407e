"""What the checks say of random Roles, ClusterRoles and bindings is what the API server answers to
the colleague."""

from __future__ import annotations

import itertools
import os
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from checks.access.kubernetes_api import Api
from checks.errors import Unverifiable
from checks.lab import find_lab
from checks.lesson import told
from checks.local_sspcloud.people import certified, kubeconfig_path
from checks.sources.live_cluster import LiveCluster
from checks.sources.machine import LocalMachine
from checks.stage import Person, Stage
from checks.verdict import Diagnostic
from checks.verification import Follows
from tests.support.waiting import until

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

EXAMPLES = int(os.environ.get("CAHIER_EXEMPLES", "15"))
RBAC = "/apis/rbac.authorization.k8s.io/v1"
GROUP = {"apiGroup": "rbac.authorization.k8s.io"}
BASE = "postgresql-cnpg-951239"
POD = f"{BASE}-1"
LAB = find_lab("tp6")
OWN_GROUP = "cahier-essai-promotion"
Rule = dict[str, Any]


@dataclass(frozen=True)
class Share:
    """An owner with a database, and a colleague who asks the API server for themselves."""

    admin: Api
    owner: LiveCluster
    colleague: LiveCluster
    stage: Stage

    @property
    def mark(self) -> str:
        """How the ClusterRoles of this test begin."""
        return f"essai-{self.owner.namespace}-"

    def _path(self, kind: str, name: str = "") -> str:
        place = RBAC if kind == "clusterroles" else f"{RBAC}/namespaces/{self.owner.namespace}"
        return f"{place}/{kind}/{name}".rstrip("/")

    def clear(self) -> None:
        """Remove what was made for the test."""
        for kind in ("rolebindings", "roles", "clusterroles"):
            for item in self.admin.request("GET", self._path(kind))["items"]:
                if item["metadata"]["name"].startswith(self.mark):
                    self.admin.remove(self._path(kind, item["metadata"]["name"]))

    def holding(
        self, given: Sequence[tuple[str, Sequence[Rule], Sequence[Mapping[str, str]]]]
    ) -> None:
        """These roles and no others, each with its own binding: their kind, rules and subjects."""
        self.clear()
        for index, (kind, rules, subjects) in enumerate(given):
            self._bind(f"{self.mark}{index}", kind, rules, subjects)
        for kind in ("Role", "ClusterRole"):
            self._wait_until_known(kind)
        self.owner.refresh()
        self.colleague.refresh()

    def _bind(
        self, name: str, kind: str, rules: Sequence[Rule], subjects: Sequence[Mapping[str, str]]
    ) -> None:
        about: dict[str, Any] = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "metadata": {"name": name},
        }
        if kind == "Aggregated":
            kind, label = "ClusterRole", {f"essai/{name}": "oui"}
            part = {
                **about,
                "kind": kind,
                "rules": rules,
                "metadata": {"name": f"{name}-part", "labels": label},
            }
            self.admin.request("POST", self._path("clusterroles"), part)
            whole = {
                **about,
                "kind": kind,
                "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": label}]},
            }
            self.admin.request("POST", self._path("clusterroles"), whole)
            until(
                lambda: self.admin.request("GET", self._path("clusterroles", name)).get("rules"),
                seconds=30,
                pause=0.1,
            )
        else:
            self.admin.request(
                "POST", self._path(f"{kind.lower()}s"), {**about, "kind": kind, "rules": rules}
            )
        reference = {**GROUP, "kind": kind, "name": name}
        binding = {**about, "kind": "RoleBinding", "roleRef": reference, "subjects": subjects}
        self.admin.request("POST", self._path("rolebindings"), binding)

    def _wait_until_known(self, kind: str) -> None:
        """The API server learns of roles and bindings a moment after it took them, each kind in its
        order."""
        last = uuid.uuid4().hex
        rule = {
            "apiGroups": [""],
            "resources": ["configmaps"],
            "resourceNames": [last],
            "verbs": ["get"],
        }
        self._bind(f"{self.mark}{last}", kind, [rule], [{**GROUP, "kind": "User", "name": last}])
        asked = {
            "namespace": self.owner.namespace,
            "verb": "get",
            "resource": "configmaps",
            "name": last,
        }
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {"user": last, "resourceAttributes": asked},
        }
        path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        until(
            lambda: self.admin.request("POST", path, review)["status"]["allowed"],
            seconds=30,
            pause=0.05,
        )

    def may(self, verb: str, resource: str, name: str = "") -> bool:
        """The API server's answer to the colleague's own question."""
        return self.colleague.may(verb, resource, name=name, namespace=self.owner.namespace).allowed

    def any_of(self, questions: Sequence[tuple[str, str, str]]) -> bool:
        """Whether the API server answers yes to one of them at least."""
        with ThreadPoolExecutor(8) as pool:
            return any(list(pool.map(lambda asked: self.may(*asked), questions)))

    def found(self, identifier: str, owner: LiveCluster | None = None) -> Diagnostic | None:
        """What a check of the lab finds wrong."""
        check = next(one for one in LAB.checks if one.id == identifier)
        return told(check.function(owner or self.owner), owner or self.owner)

    def passes(self, identifier: str) -> bool:
        """Whether a check of the lab finds nothing wrong, and waits for no other."""
        try:
            return self.found(identifier) is None
        except Follows:
            return False


def _with_group(admin: Api, person: Person) -> None:
    """Give somebody credentials that put them in a group, here and where the local cluster keeps
    them."""
    content = yaml.safe_load(person.kubeconfig.read_text(encoding="utf-8"))
    user = content["users"][0]
    key, certificate = certified(admin, user["name"], [OWN_GROUP])
    user["user"] = {"client-certificate-data": certificate, "client-key-data": key}
    for file in (person.kubeconfig, kubeconfig_path(person.namespace.removeprefix("user-"))):
        file.write_text(yaml.safe_dump(content), encoding="utf-8")


@pytest.fixture(scope="module")
def share(admin: Api, new_resident: Callable[..., Person]) -> Iterator[Callable[[], Share]]:
    owner, colleague = new_resident("r"), new_resident("r")
    stage = Stage(LAB, owner, colleague)
    stage.run(LAB.about.setup.commands)
    _with_group(admin, colleague)
    machine = LocalMachine()
    made = Share(
        admin,
        LiveCluster(machine, kubeconfig_path=str(owner.kubeconfig), colleague=colleague.namespace),
        LiveCluster(machine, kubeconfig_path=str(colleague.kubeconfig)),
        stage,
    )
    yield lambda: made
    made.clear()


NAMES = [POD, BASE, f"{BASE}-rw", "autre"]


def rules() -> st.SearchStrategy[Rule]:
    resources = st.sampled_from(
        [
            "pods",
            "pods/portforward",
            "pods/exec",
            "pods/log",
            "secrets",
            "services",
            "deployments",
            "pods/*",
            "*",
        ]
    )
    verbs = st.sampled_from(["get", "list", "watch", "create", "delete", "patch", "*"])
    return st.fixed_dictionaries(
        {
            "apiGroups": st.sampled_from([[""], ["apps"], ["*"], ["", "apps"]]),
            "resources": st.lists(resources, min_size=1, max_size=2, unique=True),
            "verbs": st.lists(verbs, min_size=1, max_size=2, unique=True),
        },
        optional={
            "resourceNames": st.lists(st.sampled_from(NAMES), min_size=1, max_size=2, unique=True)
        },
    )


KINDS = ("Role", "ClusterRole", "Aggregated")
SUBJECTS = ("colleague", "namespace", "group", "own_group", "account", "everybody")


def real_subjects(kinds: Sequence[str], colleague: LiveCluster) -> Sequence[Mapping[str, str]]:
    known: Mapping[str, Mapping[str, str]] = {
        "colleague": {"kind": "User", "name": colleague.user, **GROUP},
        "namespace": {"kind": "User", "name": colleague.namespace, **GROUP},
        "group": {"kind": "Group", "name": colleague.user, **GROUP},
        "own_group": {"kind": "Group", "name": OWN_GROUP, **GROUP},
        "account": {"kind": "ServiceAccount", "name": "default", "namespace": colleague.namespace},
        "everybody": {"kind": "Group", "name": "system:authenticated", **GROUP},
    }
    return [known[kind] for kind in kinds]


def asking(
    verbs: str, resources: str, names: Sequence[str] = (*NAMES, "")
) -> list[tuple[str, str, str]]:
    """Questions: each of these verbs, on each of these resources, by each of these names."""
    return list(itertools.product(verbs.split(), resources.split(), names))


READING = asking("get list watch", "secrets")
ENTERING = asking("create get", "pods/exec pods/attach") + asking(
    "patch", "pods/ephemeralcontainers"
)
INSIDE = ENTERING + asking("get", "pods/log")
RUNNING = asking("create", "pods deployments.apps", [""]) + asking(
    "patch update", "deployments.apps"
)
RUNNING += asking("create", "serviceaccounts/token")
CHANGING = asking(
    "create deletecollection", "pods secrets services deployments.apps", [""]
) + asking("patch update delete", "pods secrets services deployments.apps")
CHANGING += RUNNING + asking("create", "pods/eviction")
BEYOND = asking("create get", "pods/portforward", [BASE, f"{BASE}-rw", "autre", ""])
BEYOND += asking("get", "services", [POD, "autre", ""]) + asking("list watch", "services")
BEYOND += asking("get list watch", "deployments.apps configmaps") + asking(
    "get create", "pods/proxy"
)


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
            st.sampled_from(KINDS),
            st.lists(rules(), min_size=1, max_size=3),
            st.lists(st.sampled_from(SUBJECTS), min_size=1, max_size=2, unique=True),
        ),
        min_size=1,
        max_size=2,
    )
)
def test_the_verdict_on_random_roles_is_the_api_server_s(
    share: Callable[[], Share], drawn: list[tuple[str, list[Rule], list[str]]]
) -> None:
    here = share()
    here.holding([(kind, some, real_subjects(who, here.colleague)) for kind, some, who in drawn])
    enters = here.may("get", "pods", POD) and here.may("create", "pods/portforward", POD)
    reads, runs = here.any_of(READING), here.any_of(RUNNING + ENTERING)
    assert here.passes("votre_collegue_peut_ouvrir_le_tunnel") == enters
    assert here.passes("votre_collegue_ne_lit_aucun_secret") == (not (reads or runs))
    assert here.passes("votre_collegue_n_entre_pas_dans_les_pods") == (not here.any_of(INSIDE))
    assert here.passes("votre_collegue_ne_change_rien") == (not here.any_of(CHANGING))
    assert here.passes("votre_collegue_n_atteint_que_la_base") == (not here.any_of(BEYOND))
    others: list[tuple[str, tuple[str, ...]]] = [("cahier-inconnu", ())]
    for subject in real_subjects(
        [one for _, _, who in drawn for one in who if one != "colleague"], here.colleague
    ):
        name = subject["name"]
        if subject["kind"] == "ServiceAccount":
            name = f"system:serviceaccount:{here.colleague.namespace}:{name}"
        others.append(("cahier-inconnu", (name,)) if subject["kind"] == "Group" else (name, ()))
    opened = [
        here.owner.may_other(user, "create", "pods/portforward", name=POD, groups=groups).allowed
        for user, groups in others
    ]
    assert here.passes("personne_d_autre_n_ouvre_de_tunnel") == (not any(opened))


TUNNEL = [
    {"apiGroups": [""], "resources": ["pods"], "resourceNames": [POD], "verbs": ["get"]},
    {
        "apiGroups": [""],
        "resources": ["pods/portforward"],
        "resourceNames": [POD],
        "verbs": ["create"],
    },
]


def also(group: str, resource: str, *verbs: str, names: Sequence[str] = ()) -> list[Rule]:
    """The tunnel, and one more rule."""
    more = {"apiGroups": [group], "resources": [resource], "verbs": list(verbs)}
    return [*TUNNEL, {**more, "resourceNames": list(names)} if names else more]


GIVEN_BY_AN_ADMINISTRATOR = {
    "debug": (
        also("", "pods/ephemeralcontainers", "get", "patch", names=[POD]),
        "n_entre_pas_dans_les_pods",
        "ajouter",
    ),
    "escalate": (
        also(GROUP["apiGroup"], "roles", "escalate"),
        "n_atteint_que_la_base",
        "plus de droits qu’il n’en a",
    ),
    "bind": (also(GROUP["apiGroup"], "clusterroles", "bind"), "n_atteint_que_la_base", "« bind »"),
    "star": (
        [*TUNNEL, {**TUNNEL[0], "resources": ["pods", "pods/*"], "verbs": ["*"]}],
        "ne_change_rien",
        "supprimer",
    ),
    "unknown": (also("exemple.org", "lampes", "allumer"), "n_atteint_que_la_base", "« allumer »"),
}


@pytest.mark.parametrize(
    ("name", "kind"), [*zip(GIVEN_BY_AN_ADMINISTRATOR, itertools.cycle(KINDS), strict=False)]
)
def test_what_an_administrator_gives_is_found_whatever_it_is(
    share: Callable[[], Share], name: str, kind: str
) -> None:
    here = share()
    some, sentence, words = GIVEN_BY_AN_ADMINISTRATOR[name]
    here.holding([(kind, some, real_subjects(["colleague"], here.colleague))])
    found = here.found(f"votre_collegue_{sentence}")
    assert found is not None
    assert words in found.finding
    assert len(set(found.commands)) == len(found.commands)


def test_what_cannot_be_known_is_said(share: Callable[[], Share]) -> None:
    here = share()
    absent = LiveCluster(  # nobody's access is at hand under that name
        LocalMachine(),
        kubeconfig_path=here.owner.credentials.source,
        colleague=here.colleague.namespace,
        colleague_user="oidc-absent",
    )
    named = {"kind": "User", "name": "oidc-absent", **GROUP}
    here.holding(
        [
            ("Role", TUNNEL, [named]),
            ("Role", also("", "secrets", "list"), real_subjects(["group"], here.colleague)),
        ]
    )
    with pytest.raises(Unverifiable, match="Si oidc-absent est du groupe"):
        here.found("votre_collegue_ne_lit_aucun_secret", absent)
    here.holding([("ClusterRole", TUNNEL, [named])])
    absent.refresh()
    with pytest.raises(Unverifiable, match="ne permettent pas de lire ce ClusterRole"):
        here.found("votre_collegue_ne_change_rien", absent)
    here.holding([("ClusterRole", also("batch", "jobs", "create"), [named])])
    absent.refresh()
    found = here.found("votre_collegue_ne_change_rien", absent)
    assert found is not None
    assert "créer des Jobs" in found.finding


def test_a_declared_team_is_admitted_and_all_others_named_at_once(
    share: Callable[[], Share],
) -> None:
    here = share()
    team = LiveCluster(
        LocalMachine(),
        kubeconfig_path=here.owner.credentials.source,
        colleague=[here.colleague.namespace, "user-gaelle"],
        colleague_user=[here.colleague.user, "oidc-gaelle"],
    )
    users = [here.colleague.user, "oidc-emma", "oidc-gaelle", "oidc-farid"]
    here.holding([("Role", TUNNEL, [{"kind": "User", "name": name, **GROUP} for name in users])])
    assert here.found("votre_collegue_peut_ouvrir_le_tunnel", team) is None
    found = here.found("personne_d_autre_n_ouvre_de_tunnel", team)
    assert found is not None
    assert "L’utilisateur oidc-emma et l’utilisateur oidc-farid peuvent" in found.finding
    here.stage.run(found.commands)
    for check in ("votre_collegue_peut_ouvrir_le_tunnel", "personne_d_autre_n_ouvre_de_tunnel"):
        team.refresh()
        assert here.found(check, team) is None
    here.holding(
        [
            (
                "Role",
                also("", "secrets", "get"),
                [{"kind": "User", "name": name, **GROUP} for name in users[:3:2]],
            )
        ]
    )
    team.refresh()
    found = here.found("votre_collegue_ne_lit_aucun_secret", team)
    assert found is not None
    assert "oidc-gaelle) peuvent lire" in found.finding
    here.stage.run(found.commands)
    team.refresh()
    assert here.found("votre_collegue_peut_ouvrir_le_tunnel", team) is None
    assert here.found("votre_collegue_ne_lit_aucun_secret", team) is None
