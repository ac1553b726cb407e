"""What a person can fake in a namespace that they administer, and what a teacher's grading is to
say of it: the rows of docs/enseignants/contrefacons.md."""

from __future__ import annotations

import json
import secrets
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import yaml

from checks.access.kubernetes_api import Api
from checks.grading.roster import Learner
from checks.grading.view import LiveVerifier
from checks.lab import find_lab
from checks.sources import receipts
from checks.sources.receipts import Receipt
from checks.stage import Person, Stage
from checks.verdict import Status, Verdict

RELEASE, BASE = "faux", "faux-1"
COLLEAGUES_BASE = "postgresql-cnpg-951239"
SLEEPS = ["sleep", "9d"]


# -- the classroom ---------------------------------------------------------------------------------


def _pod(name: str, labels: Mapping[str, str], image: str = "busybox:1.36") -> dict[str, object]:
    """A pod that does nothing."""
    container = {"name": "dort", "image": image, "command": SLEEPS}
    spec = {"containers": [container], "terminationGracePeriodSeconds": 0}
    metadata = {"name": name, "labels": dict(labels)}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _service(name: str, selector: Mapping[str, str], port: int) -> dict[str, object]:
    spec = {"selector": dict(selector), "ports": [{"port": port}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def _relay() -> dict[str, object]:
    """A Deployment with all that the objects of lab 7 must say, which relays nothing."""
    amounts = {"cpu": "10m", "memory": "16Mi"}
    container = {
        "name": "dort",
        "image": "busybox:1.36",
        "command": SLEEPS,
        "readinessProbe": {"exec": {"command": ["true"]}, "periodSeconds": 1},
        "resources": {"requests": amounts, "limits": amounts},
    }
    labels = {"app": "pg-proxy"}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 0},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "pg-proxy"},
        "spec": {"selector": {"matchLabels": labels}, "template": template},
    }


OF_A_DATABASE = {"cnpg.io/cluster": RELEASE, "cnpg.io/podRole": "instance"}
OF_MONGODB = {"app.kubernetes.io/name": "mongodb", "app.kubernetes.io/component": "mongodb"}
ASLEEP = [
    _pod("mon-api", {"app": "mon-api"}),
    _pod(BASE, OF_A_DATABASE),
    _service(f"{RELEASE}-rw", OF_A_DATABASE, 5432),
    _pod("pg-proxy", {}),
    _relay(),
    _service("pg-proxy", {"app": "pg-proxy"}, 5432),
    _pod("mongodb-0", OF_MONGODB),
    _pod("tableau", {"app": "tableau"}),
    _service("tableau", {"app": "tableau"}, 80),
    _pod("relais", {"app": "relais"}),
    _service("relais", {"app": "relais"}, 80),
    _pod("editeur", {"app": "editeur"}),
    _service("editeur", {"app": "editeur"}, 8080),
    _pod("client", {}, "postgres:15-bookworm"),
]
CLOSED = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "metadata": {"name": RELEASE},
    "spec": {
        "podSelector": {"matchLabels": OF_A_DATABASE},
        "ingress": [{"from": [{"podSelector": {}}]}],
    },
}


@dataclass
class Forger:
    """Somebody whose pods all sleep, the colleague who has a real database, and the teacher."""

    person: Person
    colleague: Person
    admin: Api
    teacher: Api

    def kubectl(
        self, *words: str, text: str = "", who: Person | None = None, check: bool = True
    ) -> str:
        done = subprocess.run(
            ["kubectl", *words],
            env=dict((who or self.person).environment),
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0 or not check, done.stderr
        return done.stdout + done.stderr

    def apply(self, *objects: Mapping[str, object]) -> None:
        self.kubectl("apply", "-f", "-", text=yaml.safe_dump_all(objects))

    def solved(self, lab: str) -> None:
        """The files of a lab's solution, for the database that sleeps."""
        stage = Stage(find_lab(lab), self.person, self.colleague, database=RELEASE)
        stage.apply(stage.lab.files("solution"))

    def uid(self, pod: str) -> str:
        return self.kubectl("get", "pod", pod, "-o", "jsonpath={.metadata.uid}")

    def forge(self, lab: str, word: str = "", heard_by: str = "") -> None:
        """A receipt under our own command's name which says that all is right."""
        name = find_lab(lab).name
        receipt = Receipt(
            lab=name,
            namespace=self.person.namespace,
            namespace_uid=self.admin.namespace_uid(self.person.namespace),
            checks={check.id: Status.PASSED for check in find_lab(lab).checks},
            pods={heard_by: self.uid(heard_by)} if heard_by else {},
            word=word,
            heard_by=heard_by,
        )
        as_ours = (
            "--server-side",
            "--force-conflicts",
            f"--field-manager={receipts.manager(name)}",
        )
        self.kubectl("apply", *as_ours, "-f", "-", text=json.dumps(receipts.manifest(receipt)))

    def grade(self, lab: str) -> Verdict:
        about = find_lab(lab).about
        colleague = self.colleague.namespace if about.colleague == "required" else ""
        learner = Learner("un", "Un", "Une", "", self.person.namespace, colleague)
        return LiveVerifier(self.teacher, [learner])(learner, find_lab(lab)).verdict


# -- the forgeries ---------------------------------------------------------------------------------


def _silent(lab: str) -> Callable[[Forger], None]:
    """A receipt that tells of no word."""
    return lambda forger: forger.forge(lab)


def _invented(lab: str) -> Callable[[Forger], None]:
    """A receipt with a word that nobody has heard."""
    return lambda forger: forger.forge(lab, secrets.token_hex(8))


def _of_any_log(forger: Forger) -> None:
    forger.kubectl("exec", BASE, "--", "sh", "-c", "echo ready > /proc/1/fd/1")
    forger.forge("tp3", "ready", BASE)


def _echoed(forger: Forger) -> None:
    word = secrets.token_hex(8)
    forger.kubectl("exec", BASE, "--", "sh", "-c", f"echo {word} > /proc/1/fd/1")
    forger.forge("tp3", word, BASE)


def _sent(lab: str) -> Callable[[Forger], None]:
    """The colleague's database is called once, from any pod, by somebody of that name."""

    def forge(forger: Forger) -> None:
        word = secrets.token_hex(8)
        host = f"{COLLEAGUES_BASE}-rw.{forger.colleague.namespace}"
        url = f"postgresql://cahier-{word}:x@{host}/postgres"
        forger.kubectl("exec", "client", "--", "psql", url, check=False)
        forger.forge(lab, word)

    return forge


def _accomplice(forger: Forger) -> None:
    word = secrets.token_hex(8)
    write = ["sh", "-c", f"echo {word} > /proc/1/fd/2"]
    forger.kubectl("exec", f"{COLLEAGUES_BASE}-1", "--", *write, who=forger.colleague)
    forger.forge("tp5", word)


def _closed(lab: str) -> Callable[[Forger], None]:
    """The policy of the catalogue's form, which admits the namespace itself alone."""

    def forge(forger: Forger) -> None:
        forger.apply(CLOSED)
        forger.forge(lab)

    return forge


def _opened_to_the_colleague(forger: Forger) -> None:
    forger.apply(CLOSED)
    forger.solved("tp4")
    forger.forge("tp4")


def _right_of_the_moment(forger: Forger) -> None:
    forger.solved("tp6")
    forger.forge("tp6")


def _declared(forger: Forger) -> None:
    members = f"{forger.colleague.namespace} user-chloe"
    data = {"membres": members}
    forger.apply(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "equipe"}, "data": data}
    )
    forger.forge("tp8")


def _declared_and_closed(forger: Forger) -> None:
    forger.apply(CLOSED)
    _declared(forger)


@dataclass(frozen=True)
class Forgery:
    """What is done besides the pods that sleep. `points`: what grading gives for it; `told`: the
    words by which it is noticed, "" where nothing shows it."""

    lab: str
    forge: Callable[[Forger], None]
    points: float
    told: str = ""


_UNHEARD = "ne garde pas trace de la connexion dont il parle"

FORGERIES: Mapping[str, Forgery] = {
    "tp1-recu_contrefait": Forgery("tp1", _silent("tp1"), 10),
    "tp2-pod_qui_dort": Forgery("tp2", _silent("tp2"), 10),
    "tp3-base_qui_dort": Forgery(
        "tp3", _silent("tp3"), 9, "il ne dit pas quel pod a entendu le mot envoyé par le tunnel"
    ),
    "tp3-mot_de_tous_les_jours": Forgery(
        "tp3", _of_any_log, 5, "n’est pas de ceux que tire « cahier verifier »"
    ),
    "tp3-journal_par_echo": Forgery("tp3", _echoed, 15),
    "tp4-sans_policy": Forgery(
        "tp4", _silent("tp4"), 8, "atteindrait la base (lu dans vos policies, sans connexion)"
    ),
    "tp4-policy_du_catalogue": Forgery(
        "tp4", _closed("tp4"), 8, "Vos policies n’admettent pas les pods de"
    ),
    "tp4-policy_juste": Forgery("tp4", _opened_to_the_colleague, 12),
    "tp5-pod_qui_dort": Forgery("tp5", _invented("tp5"), 4, _UNHEARD),
    "tp5-mot_envoye_sans_relais": Forgery("tp5", _sent("tp5"), 12),
    "tp5-collegue_complice": Forgery("tp5", _accomplice, 12),
    "tp6-sans_role": Forgery("tp6", _silent("tp6"), 1, "Aucune RoleBinding du namespace"),
    "tp6-droit_du_moment": Forgery("tp6", _right_of_the_moment, 15),
    "tp7-deployment_qui_dort": Forgery("tp7", _invented("tp7"), 7, _UNHEARD),
    "tp7-mot_envoye_sans_relais": Forgery("tp7", _sent("tp7"), 14),
    "tp8-base_ouverte": Forgery("tp8", _declared, 14, "n’importe quel namespace atteint le pod"),
    "tp8-declaration_et_policy": Forgery("tp8", _declared_and_closed, 16),
    "tp9-pods_qui_dorment": Forgery("tp9", _silent("tp9"), 20),
}


REFUSED: Mapping[str, tuple[str, str]] = {
    "tous-statut_ecrit": (
        "patch pod mon-api --subresource=status --type=merge -p {}",
        "",
    ),
    "tous-endpoints_ecrits": (
        "create -f -",
        "{apiVersion: v1, kind: Endpoints, metadata: {name: faux}}",
    ),
    "tous-endpointslice_ecrite": (
        "create -f -",
        "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: faux}, "
        "addressType: IPv4, endpoints: []}",
    ),
}
