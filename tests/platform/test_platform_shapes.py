"""The labs on the platform's other shapes: a project's namespace, another quota, other databases,
other names."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from checks.access.kubernetes_api import Api
from checks.errors import CahierError
from checks.lab import find_lab
from checks.local_sspcloud import people
from checks.stage import Person, Stage
from tests.support.verdicts import repaired, run, said, shown, verify

pytestmark = pytest.mark.cluster

TARGET = (
    "postgresql-cnpg-951239-rw.user-alice.svc.cluster.local"  # as the solution of tp5 writes it
)
RBAC = "/apis/rbac.authorization.k8s.io/v1"


# -- people and namespaces that the platform could make --------------------------------------------


@dataclass(frozen=True)
class Platform:
    """Makes namespaces and identities of any name."""

    admin: Api
    admin_kubeconfig: Path
    folder: Path

    def identity(self, user: str, namespace: str, groups: Sequence[str] = ()) -> Person:
        """The access of a user, whatever their name, to a namespace."""
        cluster = yaml.safe_load(self.admin_kubeconfig.read_text())["clusters"][0]["cluster"]
        authority = cluster["certificate-authority-data"]
        key, certificate = people.certified(self.admin, user, groups)
        file = self.folder / f"{uuid.uuid4().hex}.kubeconfig"
        file.write_text(
            people.render("personne", namespace, cluster["server"], authority, certificate, key)
        )
        file.chmod(0o600)
        return Person(namespace, file)

    def give(self, namespace: str, *subjects: tuple[str, str]) -> None:
        """Make the namespace those subjects' own (kind and name), as Onyxia does, and nobody
        else's."""
        binding = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "full_control_namespace", "labels": {"createdby": "onyxia"}},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": "admin",
            },
            "subjects": [
                {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name}
                for kind, name in subjects
            ],
        }
        self.apply(f"{RBAC}/namespaces/{namespace}/rolebindings/full_control_namespace", binding)

    def apply(self, path: str, item: Mapping[str, Any]) -> None:
        query = {"fieldManager": "essai", "force": "true"}
        self.admin.request(
            "PATCH", path, item, query=query, content_type="application/apply-patch+yaml"
        )


@pytest.fixture(scope="module")
def platform(
    admin: Api, admin_kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory
) -> Platform:
    return Platform(admin, admin_kubeconfig, tmp_path_factory.mktemp("identities"))


@pytest.fixture(scope="module")
def namespace_called(platform: Platform) -> Iterator[Callable[[str], str]]:
    """Makes a namespace of that name and a few letters more, removed at the end."""
    made: list[str] = []

    def make(start: str) -> str:
        name = f"{start}{uuid.uuid4().hex[:5]}"
        path = f"/api/v1/namespaces/{name}"
        platform.apply(path, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        made.append(path)
        return name

    yield make
    for path in made:
        platform.admin.request("DELETE", path)


# -- a project's namespace -------------------------------------------------------------------------


@dataclass(frozen=True)
class Project:
    """A namespace shared by two members, with a database; and somebody who is not of it."""

    me: Person
    group: str
    user: str
    mate: str
    mate_namespace: str
    outsider: Person
    database: str


@pytest.fixture(scope="module")
def project(
    platform: Platform, namespace_called: Callable[[str], str], new_resident: Callable[..., Person]
) -> Project:
    namespace = namespace_called("projet-")
    group, user = f"oidc-{namespace.removeprefix('projet-')}", f"oidc-a{uuid.uuid4().hex[:5]}"
    mate = new_resident("b")
    name = mate.namespace.removeprefix("user-")
    of_the_group = platform.identity(f"oidc-{name}", mate.namespace, [group])
    # the access that is at hand
    people.kubeconfig_path(name).write_text(of_the_group.kubeconfig.read_text())
    me = platform.identity(user, namespace, [group])
    platform.give(namespace, ("Group", group))
    run(me, "cahier", "catalogue", "lancer", "postgresql", "--nom", "postgresql-cnpg-7")
    return Project(
        me, group, user, f"oidc-{name}", mate.namespace, new_resident("o"), "postgresql-cnpg-7"
    )


@pytest.fixture(params=["group", "people"])
def shared(request: pytest.FixtureRequest, project: Project, platform: Platform) -> Project:
    """The project, given to its group, then to its members one by one."""
    members = [("User", project.user), ("User", project.mate)]
    platform.give(
        project.me.namespace, *([("Group", project.group)] if request.param == "group" else members)
    )
    return project


def test_a_project_is_its_members(
    shared: Project, stages: Callable[..., Stage], free_port: int
) -> None:
    first = verify(shared.me, "tp1")
    assert first["status"] == "passed", shown(first)

    stage = stages("tp3", shared.me, local_port=free_port, database=shared.database)
    stage.run([f"kubectl port-forward pod/{shared.database}-1 5432:5432 &"])
    port = ("--port", str(free_port))
    third = verify(shared.me, "tp3", *port)
    assert third["status"] == "passed", shown(third)

    mate = ("--collegue", shared.mate_namespace)
    unknown = run(shared.me, "cahier", "verifier", "tp3", *port, *mate, code=2)
    assert f"({shared.user} dans {shared.me.namespace})" in unknown
    assert "--utilisateur-collegue" in unknown
    third = verify(shared.me, "tp3", *port, *mate, "--utilisateur-collegue", shared.mate)
    assert third["status"] == "passed", shown(third)


def test_a_project_relays_the_database_of_somebody_outside(
    project: Project, platform: Platform, stages: Callable[..., Stage], free_port: int
) -> None:
    platform.give(project.me.namespace, ("Group", project.group))
    user = f"oidc-{project.outsider.namespace.removeprefix('user-')}"
    base = "postgresql-cnpg-951239"
    run(project.outsider, "cahier", "catalogue", "lancer", "postgresql", "--nom", base, "--ouvert")
    fifth = stages("tp5", project.me, project.outsider, local_port=free_port)
    proxy = fifth.lab.files("solution")["proxy.yaml"]
    assert TARGET in proxy
    fifth.apply({"proxy.yaml": proxy.replace(TARGET, f"{base}-rw")})
    pair = ("--collegue", project.outsider.namespace, "--utilisateur-collegue", user)
    options = (*pair, "--port", str(free_port))
    verdict = verify(project.me, "tp5", *options)
    finding = said(verdict, "failed")["le_proxy_vise_la_base_du_collegue"]
    assert f"votre propre namespace ({project.me.namespace})" in finding
    verdict = repaired(fifth, "tp5", *options)
    assert verdict["status"] == "passed", shown(verdict)
    fifth.run(["cahier nettoyer tp5"])


def test_a_project_shares_its_database_with_a_team_from_outside(
    shared: Project, new_person: Callable[..., Person], stages: Callable[..., Stage]
) -> None:
    """All its members are « vous »: nobody else may do anything, and their own rights are no
    leak."""
    outsider = shared.outsider
    user = f"oidc-{outsider.namespace.removeprefix('user-')}"
    asked = "select datdba::regrole from pg_database where datname = 'defaultdb'"
    psql = ("psql", "-AtU", "postgres", "-c", asked)
    owner = run(shared.me, "kubectl", "exec", f"{shared.database}-1", "--", *psql)
    assert owner.strip().strip('"') == shared.me.namespace, "the form's default"

    third = new_person("t").namespace
    members = f"{outsider.namespace} {third}"
    run(shared.me, "kubectl", "create", "configmap", "equipe", f"--from-literal=membres={members}")
    stage = stages("tp8", shared.me, outsider, database=shared.database, colleague_user=user)
    pair = ("--collegue", outsider.namespace, "--utilisateur-collegue", user)
    unknown = said(verify(shared.me, "tp8", *pair), "unverified")
    assert f"{third} ne se déduit pas" in unknown["chaque_membre_atteint_la_base"]
    members = f"{outsider.namespace}={user} {third}={third.replace('user-', 'oidc-')}"
    patch = json.dumps({"data": {"membres": members}})
    run(shared.me, "kubectl", "patch", "configmap", "equipe", "--type=merge", "-p", patch)
    verdict = repaired(stage, "tp8", *pair)
    assert verdict["status"] == "passed", shown(verdict)

    stage.run([f"kubectl create rolebinding partage --clusterrole=edit --user={user}"])
    verdict = verify(shared.me, "tp8", *pair)
    finding = said(verdict, "failed")["personne_ne_lit_les_secrets_de_la_base"]
    assert user in finding
    assert shared.mate not in finding
    verdict = repaired(stage, "tp8", *pair)
    assert verdict["status"] == "passed", shown(verdict)
    stage.run(["cahier nettoyer tp8"])


def test_only_somebody_outside_the_project_can_be_given_a_right(
    shared: Project, stages: Callable[..., Stage]
) -> None:
    outsider = shared.outsider
    user = f"oidc-{outsider.namespace.removeprefix('user-')}"
    stage = stages("tp6", shared.me, outsider, database=shared.database, colleague_user=user)
    stage.apply(stage.lab.files("solution"))
    colleague = ("--collegue", outsider.namespace, "--utilisateur-collegue", user)
    sixth = verify(shared.me, "tp6", *colleague)
    assert sixth["status"] == "passed", shown(sixth)

    sixth = verify(
        shared.me, "tp6", "--collegue", shared.mate_namespace, "--utilisateur-collegue", shared.mate
    )
    assert sixth["status"] == "unverified", shown(sixth)
    (reason,) = said(sixth, "unverified").values()
    assert f"{shared.mate} est membre" in reason, "their rights are nothing to take away"


def test_who_is_in_a_group_is_not_guessed(
    project: Project,
    platform: Platform,
    namespace_called: Callable[[str], str],
    stages: Callable[..., Stage],
) -> None:
    platform.give(project.me.namespace, ("Group", project.group))
    stage = stages("tp6", project.me, database=project.database)
    far = namespace_called("user-ailleurs")  # nobody's access is at hand, as on the real platform
    user = far.replace("user-", "oidc-", 1)
    colleague = ("--collegue", far, "--utilisateur-collegue", user)
    sixth = verify(project.me, "tp6", *colleague)
    assert "votre_collegue_peut_ouvrir_le_tunnel" in said(sixth, "failed"), shown(sixth)
    sixth = repaired(stage, "tp6", *colleague)
    assert sixth["status"] == "unverified", shown(sixth)
    assert not said(sixth, "failed"), shown(sixth)
    doubts = said(sixth, "unverified")
    assert f"le groupe {project.group}" in doubts["votre_collegue_ne_lit_aucun_secret"]
    assert "personne_d_autre_n_ouvre_de_tunnel" not in doubts


# -- a quota that counts CPU and memory ------------------------------------------------------------

DEMANDING = {
    "requests.cpu": "2",
    "requests.memory": "2Gi",
    "limits.cpu": "8",
    "limits.memory": "4Gi",
    "pods": "15",
}


def set_quota(platform: Platform, namespace: str, hard: Mapping[str, str]) -> None:
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "onyxia-quota"},
        "spec": {"hard": hard},
    }
    platform.apply(f"/api/v1/namespaces/{namespace}/resourcequotas/onyxia-quota", quota)


@pytest.fixture
def counted(platform: Platform, namespace_called: Callable[[str], str]) -> Person:
    """Somebody alone in a project, where each container must say what it wants."""
    namespace = namespace_called("projet-")
    user = f"oidc-q{uuid.uuid4().hex[:5]}"
    platform.give(namespace, ("User", user))
    set_quota(platform, namespace, DEMANDING)
    return platform.identity(user, namespace)


def without_resources(text: str) -> str:
    documents = list(yaml.safe_load_all(text))
    for document in documents:
        for box in (
            (document.get("spec", {}).get("template") or document)
            .get("spec", {})
            .get("containers", ())
        ):
            del box["resources"]
    return yaml.safe_dump_all(documents)


def test_a_quota_that_demands_resources(
    counted: Person,
    platform: Platform,
    new_person: Callable[..., Person],
    stages: Callable[..., Stage],
    free_port: int,
) -> None:
    colleague = new_person("c")
    set_quota(platform, colleague.namespace, DEMANDING)
    pair = ("--collegue", colleague.namespace, "--utilisateur-collegue", "oidc-c")
    run(counted, "cahier", "catalogue", "lancer", "postgresql", "--nom", "postgresql-cnpg-951239")
    fourth = stages("tp4", counted, colleague)
    fourth.apply(fourth.lab.files("solution"))
    verdict = verify(counted, "tp4", *pair)  # with probes of ours in three namespaces
    assert verdict["status"] == "passed", shown(verdict)

    fifth = verify(counted, "tp5", *pair)
    missing = next(check for check in fifth["checks"] if check["id"] == "le_proxy_existe")
    assert (
        "« onyxia-quota » de ce namespace compte limits.cpu, limits.memory, requests.cpu"
        in missing["cause"]
    )

    second = stages("tp2", counted, local_port=free_port)
    second.apply(
        {name: without_resources(text) for name, text in second.lab.files("solution").items()}
    )
    verdict = verify(counted, "tp2", "--port", str(free_port))
    finding = said(verdict, "failed")["l_api_est_deployee"]
    assert "failed quota: onyxia-quota: must specify limits.cpu for: api" in finding
    verdict = repaired(second, "tp2", "--port", str(free_port))
    assert verdict["status"] == "passed", shown(verdict)

    pods = platform.admin.request("GET", f"/api/v1/namespaces/{counted.namespace}/pods")["items"]
    set_quota(platform, counted.namespace, {**DEMANDING, "pods": str(len(pods))})
    refused = run(counted, "cahier", "catalogue", "lancer", "postgresql", code=3)
    assert f"Le quota de {counted.namespace} ne permet pas" in refused
    assert "pods=1" in refused
    verdict = verify(counted, "tp4", *pair)
    assert verdict["status"] == "unverified", shown(verdict)
    reason = said(verdict, "unverified")["votre_namespace_atteint_la_base"]
    assert "exceeded quota: onyxia-quota, requested: pods=1" in reason


def test_a_quota_that_is_reached_is_the_first_thing_said(
    counted: Person,
    platform: Platform,
    new_person: Callable[..., Person],
    stages: Callable[..., Stage],
    free_port: int,
) -> None:
    alice = new_person("a")
    user = alice.namespace.replace("user-", "oidc-", 1)
    port = ("--port", str(free_port))
    pair = ("--collegue", alice.namespace, "--utilisateur-collegue", user, *port)
    set_quota(platform, counted.namespace, {**DEMANDING, "pods": "0"})
    second = stages("tp2", counted, local_port=free_port)
    second.apply(second.lab.files("solution"))
    seventh = stages("tp7", counted, alice, local_port=free_port)
    seventh.apply(seventh.lab.files("solution"))
    fifth = stages("tp5", counted, alice, local_port=free_port)
    with pytest.raises(CahierError, match="exceeded quota"):
        fifth.apply(fifth.lab.files("solution"))

    for lab, options in (("tp2", port), ("tp7", pair)):
        first = next(iter(said(verify(counted, lab, *options), "failed").values()))
        assert "exceeded quota: onyxia-quota, requested: pods=1" in first
    wrong = next(one for one in verify(counted, "tp5", *pair)["checks"])
    assert wrong["id"] == "le_proxy_existe"
    assert "« onyxia-quota » de ce namespace est atteint (pods : 0 sur 0)" in wrong["cause"]

    set_quota(platform, counted.namespace, DEMANDING)
    for stage, options in ((second, port), (fifth, pair), (seventh, pair)):
        verdict = repaired(stage, stage.lab.short_name, *options)
        assert verdict["status"] == "passed", shown(verdict)
        stage.close()  # of its tunnel: the labs share a port


def test_a_quota_without_room_for_a_probe_makes_nothing_wrong(
    counted: Person,
    platform: Platform,
    new_person: Callable[..., Person],
    stages: Callable[..., Stage],
) -> None:
    bob, chloe = new_person("b"), new_person("c")
    run(counted, "cahier", "catalogue", "lancer", "postgresql", "--nom", "postgresql-cnpg-951239")
    users = [one.namespace.replace("user-", "oidc-", 1) for one in (bob, chloe)]
    members = f"{bob.namespace}={users[0]} {chloe.namespace}={users[1]}"
    run(counted, "kubectl", "create", "configmap", "equipe", f"--from-literal=membres={members}")
    pair = ("--collegue", bob.namespace, "--utilisateur-collegue", users[0])
    eighth = stages("tp8", counted, bob, colleague_user=users[0])
    verdict = repaired(eighth, "tp8", *pair)
    assert verdict["status"] == "passed", shown(verdict)
    for one in (counted, bob, chloe):
        set_quota(platform, one.namespace, {**DEMANDING, "pods": "1"})
    verdict = verify(counted, "tp8", *pair)
    assert not said(verdict, "failed"), shown(verdict)
    run(counted, "cahier", "catalogue", "ouvrir", "postgresql-cnpg-951239")
    finding = said(verify(counted, "tp8", *pair), "failed")["le_reseau_n_admet_que_l_equipe"]
    assert "Aucune NetworkPolicy ne choisit ce pod" in finding


def test_defaults_of_a_namespace_admit_a_pod_without_resources(
    counted: Person, platform: Platform, stages: Callable[..., Stage], free_port: int
) -> None:
    limits = {
        "type": "Container",
        "default": {"cpu": "500m", "memory": "128Mi"},
        "defaultRequest": {"cpu": "10m", "memory": "32Mi"},  # the node is everybody's
        "min": {"cpu": "1m", "memory": "4Mi"},
    }
    platform.apply(
        f"/api/v1/namespaces/{counted.namespace}/limitranges/onyxia-limites",
        {
            "apiVersion": "v1",
            "kind": "LimitRange",
            "metadata": {"name": "onyxia-limites"},
            "spec": {"limits": [limits]},
        },
    )
    second = stages("tp2", counted, local_port=free_port)
    second.apply(
        {name: without_resources(text) for name, text in second.lab.files("solution").items()}
    )
    second.run(second.lab.about.solution.commands)
    verdict = verify(counted, "tp2", "--port", str(free_port))
    assert verdict["status"] == "passed", shown(verdict)


# -- names that do not follow the platform's usual pattern -----------------------------------------


@dataclass(frozen=True)
class Home:
    """A personal namespace with a database, which tests give to users of several names, and two
    others' namespaces."""

    namespace: str
    database: str
    marie: str
    paul: str


@pytest.fixture(scope="module")
def home(platform: Platform, namespace_called: Callable[[str], str]) -> Home:
    namespace = namespace_called("user-jean")
    platform.give(namespace, ("User", "oidc-quelqu-un"))
    owner = platform.identity("oidc-quelqu-un", namespace)
    run(owner, "cahier", "catalogue", "lancer", "postgresql", "--nom", "postgresql-cnpg-12")
    return Home(
        namespace,
        "postgresql-cnpg-12",
        namespace_called("user-marie"),
        namespace_called("user-paul"),
    )


@pytest.mark.parametrize("named", ["e-mail", "no prefix"])
def test_users_of_any_name(
    named: str, home: Home, platform: Platform, stages: Callable[..., Stage]
) -> None:
    inferred = named == "no prefix"
    me = home.namespace.removeprefix("user-") if inferred else "oidc-Jean.Dupont@insee.fr"
    mate = home.marie.removeprefix("user-") if inferred else "oidc:Marie.O'Hara@ined.fr"
    platform.give(home.namespace, ("User", me))
    person = platform.identity(me, home.namespace)

    first = verify(person, "tp1")
    assert first["status"] == "passed", shown(first)

    pair = ["--collegue", home.marie]
    if not inferred:
        unknown = run(person, "cahier", "verifier", "tp6", *pair, code=2)
        assert f"{home.marie} ne se déduit pas du vôtre (oidc-Jean.Dupont@insee.fr" in unknown
        pair += ["--utilisateur-collegue", mate]
    stage = stages("tp6", person, database=home.database)
    verdict = repaired(stage, "tp6", *pair)
    assert not said(verdict, "failed"), shown(verdict)
    asked = run(
        person,
        "kubectl",
        "get",
        "rolebinding",
        "tunnel-vers-la-base",
        "-o",
        "jsonpath={.subjects[*].name}",
    )
    assert asked == mate


def test_a_member_whose_user_is_not_inferred_is_written_with_it(
    home: Home, platform: Platform, stages: Callable[..., Stage]
) -> None:
    me, mate, third = "oidc-Jean.Dupont@insee.fr", "oidc-Marie@ined.fr", "oidc-Paul.Éluard@insee.fr"
    platform.give(home.namespace, ("User", me))
    person = platform.identity(me, home.namespace)
    pair = ("--collegue", home.marie, "--utilisateur-collegue", mate)
    run(
        person,
        "kubectl",
        "create",
        "configmap",
        "equipe",
        f"--from-literal=membres={home.marie} {home.paul}",
    )
    eighth = verify(person, "tp8", *pair)
    assert (
        f"{home.paul} ne se déduit pas"
        in said(eighth, "unverified")["chaque_membre_atteint_la_base"]
    ), shown(eighth)

    patch = json.dumps({"data": {"membres": f"{home.marie} {home.paul}={third}"}})
    run(person, "kubectl", "patch", "configmap", "equipe", "--type=merge", "-p", patch)
    stage = stages("tp8", person, database=home.database)
    eighth = repaired(stage, "tp8", *pair)
    assert not said(eighth, "failed"), shown(eighth)
    asked = run(
        person, "kubectl", "get", "rolebindings", "-o", "jsonpath={.items[*].subjects[*].name}"
    )
    assert {mate, third} <= set(asked.split())


# -- the older chart: a StatefulSet, a Service of the release's name -------------------------------

OLDER = "postgresql-482913"


@pytest.fixture(scope="module")
def older(new_resident: Callable[..., Person]) -> Person:
    """Somebody whose database is of the older chart."""
    owner = new_resident("v")
    stage = Stage(find_lab("tp3"), owner)
    case = stage.lab.cases("variantes")["ancien_catalogue"]
    stage.apply(stage.lab.case_files("variantes", "ancien_catalogue"))
    stage.run([command for command in case.commands or () if not command.endswith("&")])
    return owner


def test_the_older_chart_is_shared_by_the_network(
    older: Person, new_person: Callable[..., Person], stages: Callable[..., Stage], free_port: int
) -> None:
    bob = new_person("b")
    fourth = stages("tp4", older, bob, database=OLDER)
    verdict = repaired(fourth, "tp4", "--collegue", bob.namespace)
    assert verdict["status"] == "passed", shown(verdict)
    run(older, "cahier", "catalogue", "fermer", OLDER)  # to all but their own pods, as before
    fourth.apply(fourth.lab.files("solution"))
    verdict = verify(older, "tp4", "--collegue", bob.namespace)
    assert verdict["status"] == "passed", shown(verdict)

    fifth = stages("tp5", bob, older, database=OLDER, local_port=free_port)
    proxy = fifth.lab.files("solution")["proxy.yaml"]
    assert TARGET in proxy
    fifth.apply({"proxy.yaml": proxy.replace(TARGET, OLDER)})
    pair = ("--collegue", older.namespace, "--port", str(free_port))
    verdict = verify(bob, "tp5", *pair)
    assert f"« {OLDER}:5432 »" in said(verdict, "failed")["le_proxy_vise_la_base_du_collegue"]
    verdict = repaired(fifth, "tp5", *pair)
    assert verdict["status"] == "passed", shown(verdict)


def test_the_older_chart_is_shared_by_a_right(
    older: Person, new_person: Callable[..., Person], stages: Callable[..., Stage]
) -> None:
    bob, chloe = new_person("b"), new_person("c")
    pair = ("--collegue", bob.namespace)
    sixth = stages("tp6", older, bob, database=OLDER)
    verdict = repaired(sixth, "tp6", *pair)
    assert verdict["status"] == "passed", shown(verdict)

    run(
        older,
        "kubectl",
        "create",
        "configmap",
        "equipe",
        f"--from-literal=membres={bob.namespace} {chloe.namespace}",
    )
    verdict = repaired(stages("tp8", older, bob, database=OLDER), "tp8", *pair)
    assert verdict["status"] == "passed", shown(verdict)


# -- several databases in one namespace ------------------------------------------------------------


def test_of_several_databases_the_one_that_the_learner_shares_is_meant(
    new_person: Callable[..., Person], stages: Callable[..., Stage], free_port: int
) -> None:
    alice, bob = new_person("d"), new_person("b")
    for name in ("postgresql-cnpg-1", "postgresql-cnpg-2"):
        run(alice, "cahier", "catalogue", "lancer", "postgresql", "--nom", name)
    pair = ("--collegue", bob.namespace)

    third = verify(alice, "tp3", "--port", str(free_port))
    silent = next(check for check in third["checks"] if check["status"] == "failed")
    assert "vers l’un de ces pods : postgresql-cnpg-1-1, postgresql-cnpg-2-1." in silent["fix"]

    fourth = stages("tp4", alice, bob, database="postgresql-cnpg-2")
    closed = said(verify(alice, "tp4", *pair), "failed")["le_namespace_du_collegue_atteint_la_base"]
    assert "postgresql-cnpg-1-1" in closed
    assert "(postgresql-cnpg-2)" in closed
    fourth.apply(fourth.lab.files("solution"))
    verdict = verify(alice, "tp4", *pair)
    assert verdict["status"] == "passed", shown(verdict)

    fifth = stages("tp5", bob, alice, local_port=free_port)
    proxy = fifth.lab.files("solution")["proxy.yaml"]
    assert TARGET in proxy
    fifth.apply({"proxy.yaml": proxy.replace(TARGET, "postgresql-cnpg-2-rw")})
    verdict = verify(bob, "tp5", "--collegue", alice.namespace, "--port", str(free_port))
    wrong = next(
        check for check in verdict["checks"] if check["id"] == "le_proxy_vise_la_base_du_collegue"
    )
    assert "--base postgresql-cnpg-2 " in wrong["fix_commands"][-1]

    sixth = stages("tp6", alice, bob, database="postgresql-cnpg-2")
    role = sixth.lab.files("solution")["partage.yaml"]
    sixth.apply({"partage.yaml": role.replace("[create, get]", "[get]")})
    refused = said(verify(alice, "tp6", *pair), "failed")["votre_collegue_peut_ouvrir_le_tunnel"]
    assert "postgresql-cnpg-2-1" in refused
    assert "(postgresql-cnpg-1)" in refused
    verdict = repaired(sixth, "tp6", *pair)
    assert verdict["status"] == "passed", shown(verdict)
    assert "postgresql-cnpg-2-1" in run(
        alice, "kubectl", "get", "role", "tunnel-vers-la-base", "-o", "yaml"
    )
