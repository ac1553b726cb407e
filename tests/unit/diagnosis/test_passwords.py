"""Passwords of a base are found wherever and however they are written; nothing shows them, and
nothing else is taken for one."""

from __future__ import annotations

import base64
import html
import json
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast
from urllib.parse import quote, quote_plus

import msgspec
import pytest
import yaml
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from checks.capabilities import Cluster
from checks.diagnosis.databases.catalogue import Database
from checks.errors import Unverifiable
from checks.facts import Access, Listing, Pod
from checks.lesson import told
from checks.local_sspcloud.services.postgresql.accounts import verifier
from checks.objects.rights import Binding, Subject
from labs.tp8_equipe.accounts import Role
from labs.tp8_equipe.passwords import is_common, leaks
from labs.tp8_equipe.passwords_in_clear import in_clear
from labs.tp8_equipe.plain_text import objects_of
from labs.tp8_equipe.spellings import Search

NAMESPACE = "user-alice"
STRONG = "k9$Zé&4'x\"T0 q%7\\w"
LAST = "kubectl.kubernetes.io/last-applied-configuration"

Writing = Callable[[str], str]


def role(name: str, password: str, *, platform: bool = False) -> Role:
    return Role(
        name=name,
        login=True,
        stored=verifier(password),
        expired=False,
        powers=(),
        within=(),
        databases=("defaultdb",),
        platform=platform,
    )


def to_base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


# -- how a word is written -------------------------------------------------------------------------

WRITINGS: Mapping[str, Writing] = {
    "as it is": lambda word: f"mot de passe : {word} (à garder)",
    "without blanks around": lambda word: f"x{word}y",
    "XML": lambda word: f"<password>{html.escape(word)}</password>",
    "XML by numbers": lambda word: "".join(
        c if c.isalnum() and c.isascii() else f"&#x{ord(c):X};" for c in word
    ),
    "XML in XML": lambda word: html.escape(html.escape(f"<a>{html.escape(word)}</a>")),
    "JSON": lambda word: json.dumps({"password": word}),
    "JSON in letters": lambda word: json.dumps([word], ensure_ascii=False).replace("/", "\\/"),
    "JSON as Go writes it": lambda word: json.dumps(word).translate(
        {ord(c): f"\\u{ord(c):04x}" for c in "&<>"}
    ),
    "JSON in JSON in JSON": lambda word: json.dumps(json.dumps(json.dumps({"a": word}))),
    "YAML, two quotes": lambda word: yaml.safe_dump({"a": word}, default_style='"', width=10**6),
    "YAML, one quote": lambda word: yaml.safe_dump(
        {"a": word}, default_style="'", width=10**6, allow_unicode=True
    ),
    "SQL": lambda word: "ALTER ROLE a PASSWORD '" + word.replace("'", "''") + "';",
    "SQL with dollars": lambda word: f"ALTER ROLE a PASSWORD $mdp${word}$mdp$;",
    "Compose": lambda word: f"PGPASSWORD={word.replace('$', '$$')}",
    "crontab": lambda word: f"0 3 * * * PGPASSWORD={word} dump".replace("%", "\\%"),
    "a shell": lambda word: f"export PGPASSWORD={shlex.quote(word)}",
    "a shell with backslashes": lambda word: "".join(c if c.isalnum() else f"\\{c}" for c in word),
    "pgpass": lambda word: "h:5432:d:u:" + word.replace("\\", "\\\\").replace(":", "\\:"),
    "an address": lambda word: f"postgresql://u:{quote(word, safe='')}@h/d",
    "an address in small letters": lambda word: (
        f"http://u:{quote(word, safe='').lower()}@h" if word.islower() else word
    ),
    "a form": lambda word: f"user=u&password={quote_plus(word)}&x=1",
    "an address in an address": lambda word: quote(f"postgresql://u:{quote(word, safe='')}@h/d"),
    "base64": to_base64,
    "base64, later": lambda word: to_base64("u:" + word),
    "base64, later still": lambda word: "x " + to_base64("u" + word + "\n") + " y",
    "base64 for addresses": lambda word: (
        base64.urlsafe_b64encode(f"utilisateur:{word}".encode()).decode().rstrip("=")
    ),
    "base64 in lines": lambda word: base64.encodebytes(
        b"x" * 50 + word.encode() + b"y" * 70
    ).decode(),
    "base64 in lines, in JSON": lambda word: json.dumps(
        base64.encodebytes(b"x" * 50 + word.encode()).decode()
    ),
    "base64 of JSON": lambda word: to_base64(json.dumps({"auths": {"password": word}})),
    "base64 of base64 of an address": lambda word: to_base64(
        "a: " + to_base64(f"p://u:{quote(word, safe='')}@hote")
    ),
}

SIGNS = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~ éàçœ€ÿ’😀"
words = st.text(st.sampled_from("abcXYZ0123456789" + SIGNS), min_size=6, max_size=24).filter(
    lambda word: (
        word == word.strip()
        and not is_common(word, ())
        and any(c.isascii() and c.isalnum() for c in word)
    )
)


@pytest.mark.parametrize("writing", WRITINGS.values(), ids=WRITINGS)
@settings(max_examples=20, deadline=None)
@given(word=words)
@example(word=STRONG)
@example(word="''\"\"$$%%\\\\&&<")
@example(word="0123456789%41&amp;")
def test_a_word_is_found_in_every_spelling(writing: Writing, word: str) -> None:
    assert Search([word])(writing(word))


@settings(max_examples=100, deadline=None)
@given(
    word=words,
    text=st.text(st.sampled_from("abcXYZ0123456789" + SIGNS), max_size=200),
    name=st.sampled_from([*WRITINGS]),
)
def test_another_text_has_it_not(word: str, text: str, name: str) -> None:
    written = WRITINGS[name]
    assume(not any(word[:4] in one or one[:4] in word for one in (text, html.unescape(text))))
    assert not Search([word])(written("une-autre-valeur")), "another password, written the same way"
    assert not Search([word])(text)


def test_a_few_megabytes_are_searched_in_well_under_a_second() -> None:
    text = (
        "password: 'abcdef' image=docker.io/library/postgres:15-bookworm sha256-0123456789abcdef "
        '\\"x\\" & <b>\n'
    )
    texts = [f"{rank} {text * 40}" for rank in range(1000)]  # 4 MB
    search = Search([STRONG, "kT4mWq81ZpX0sLr7", "l’été à 35° & 40 %"])
    began = time.process_time()
    assert not any(search(one) for one in texts)
    assert time.process_time() - began < 1, "second of a processor"


# -- where it is written ---------------------------------------------------------------------------


def pod_spec(text: str, family: str = "containers", field: str = "env") -> dict[str, Any]:
    box: dict[str, Any] = {"name": "boite", "image": "x"}
    box |= (
        {"env": [{"name": "A", "value": "b"}, {"name": "PGPASSWORD", "value": text}]}
        if field == "env"
        else {field: [text]}
    )
    plain = {
        "name": "autre",
        "image": "x",
        "env": [{"name": "PGPASSWORD", "valueFrom": {"secretKeyRef": {"key": "k"}}}],
    }
    return (
        {"containers": [plain], family: [box]} if family != "containers" else {"containers": [box]}
    )


def thing(kind: str, name: str = "chose", *, owner: str = "", **content: Any) -> dict[str, Any]:
    metadata = {
        "name": name,
        "namespace": NAMESPACE,
        "uid": f"uid-{kind}-{name}",
        **content.pop("metadata", {}),
    }
    if owner:
        metadata["ownerReferences"] = [{"kind": "X", "name": "x", "uid": owner, "controller": True}]
    return {"metadata": metadata, **content}


def listing(resource: str, kind: str, *items: dict[str, Any]) -> Listing:
    return Listing(kind, resource, items)


PLACES: Mapping[str, tuple[Callable[[str], Listing], str, str]] = {
    "a key of a ConfigMap": (
        lambda text: listing("configmaps", "ConfigMap", thing("ConfigMap", data={"a/b": text})),
        "la ConfigMap « chose », clé « a/b »",
        "kubectl patch configmap chose -n user-alice --type=json "
        """-p '[{"op": "remove", "path": "/data/a~1b"}]'""",
    ),
    "a ConfigMap that cannot change": (
        lambda text: listing(
            "configmaps", "ConfigMap", thing("ConfigMap", data={"a": text}, immutable=True)
        ),
        "la ConfigMap « chose », clé « a »",
        "kubectl delete configmap chose -n user-alice --ignore-not-found",
    ),
    "a CronJob": (
        lambda text: listing(
            "cronjobs.batch",
            "CronJob",
            thing(
                "CronJob", spec={"jobTemplate": {"spec": {"template": {"spec": pod_spec(text)}}}}
            ),
        ),
        "le CronJob « chose », variable PGPASSWORD",
        "kubectl set env cronjob/chose -n user-alice PGPASSWORD-",
    ),
    "an init container": (
        lambda text: listing(
            "deployments.apps",
            "Deployment",
            thing("Deployment", spec={"template": {"spec": pod_spec(text, "initContainers")}}),
        ),
        "le Deployment « chose », variable PGPASSWORD du conteneur d’initialisation boite",
        "kubectl set env deployment/chose -n user-alice -c boite PGPASSWORD-",
    ),
    "arguments": (
        lambda text: listing(
            "statefulsets.apps",
            "StatefulSet",
            thing("StatefulSet", spec={"template": {"spec": pod_spec(text, field="args")}}),
        ),
        "le StatefulSet « chose », arguments du conteneur boite",
        "kubectl delete statefulset chose -n user-alice --ignore-not-found",
    ),
    "a Job": (
        lambda text: listing(
            "jobs.batch", "Job", thing("Job", spec={"template": {"spec": pod_spec(text)}})
        ),
        "le Job « chose », variable PGPASSWORD",
        "kubectl delete job chose -n user-alice --ignore-not-found",
    ),
    "a debug container": (
        lambda text: listing(
            "pods", "Pod", thing("Pod", spec=pod_spec(text, "ephemeralContainers"))
        ),
        "le pod « chose », variable PGPASSWORD du conteneur éphémère boite",
        "kubectl delete pod chose -n user-alice --ignore-not-found",
    ),
    "a past version of a StatefulSet": (
        lambda text: listing(
            "controllerrevisions.apps",
            "ControllerRevision",
            thing(
                "ControllerRevision",
                owner="uid-X",
                data={"spec": {"template": {"spec": pod_spec(text)}}},
            ),
        ),
        "l’objet ControllerRevision « chose », variable PGPASSWORD",
        "kubectl patch x x -n user-alice --type=merge "
        """-p '{"spec": {"revisionHistoryLimit": 0}}'""",
    ),
    "an annotation": (
        lambda text: listing(
            "ingresses.networking.k8s.io",
            "Ingress",
            thing("Ingress", metadata={"annotations": {"exemple.fr/a": text}}),
        ),
        "l’objet Ingress « chose », annotation exemple.fr/a",
        "kubectl annotate ingress chose -n user-alice exemple.fr/a-",
    ),
    "an annotation of what a template makes": (
        lambda text: listing(
            "daemonsets.apps",
            "DaemonSet",
            thing(
                "DaemonSet",
                spec={"template": {"metadata": {"annotations": {"a": text}}, "spec": {}}},
            ),
        ),
        "le DaemonSet « chose », champ spec.template.metadata.annotations.a",
        "kubectl patch daemonset chose -n user-alice --type=json -p "
        """'[{"op": "remove", "path": "/spec/template/metadata/annotations/a"}]'""",
    ),
    "what kubectl apply keeps": (
        lambda text: listing(
            "services",
            "Service",
            thing("Service", metadata={"annotations": {LAST: json.dumps({"a": [text]})}}),
        ),
        "le Service « chose », annotation last-applied-configuration",
        f"kubectl annotate service chose -n user-alice {LAST}-",
    ),
    "an event": (
        lambda text: listing(
            "events", "Event", thing("Event", message=f'exec: "{text}": not found')
        ),
        "l’événement « chose », champ message",
        "kubectl delete event chose -n user-alice --ignore-not-found",
    ),
    "an object of somebody else's kind": (
        lambda text: listing(
            "tables.exemple.fr", "Table", thing("Table", spec={"a": [{"b": [text]}]})
        ),
        "l’objet Table « chose », champ spec.a[0].b[0]",
        "",
    ),
}


POD = Pod("base-1", NAMESPACE, "", {}, "Running", True, False, "10.0.0.1", (), datetime.now(UTC))


class Namespace:
    """The objects, the Secrets and the accounts of a namespace: what this check asks of a
    cluster."""

    namespace, user = NAMESPACE, "oidc-alice"
    has_colleague = False

    def __init__(
        self, roles: Sequence[Role], secrets: Mapping[str, Mapping[str, str]], *listings: Listing
    ) -> None:
        self.roles, self.secrets, self.listings = roles, secrets, listings

    def once(self, ask: Callable[..., Any]) -> Any:
        if ask.__name__ == "_colleagues":
            return ()
        return self.roles if "roles" in ask.__name__ else (Database("base", POD), POD)

    def role_bindings(self) -> Sequence[Binding]:
        return [Binding("RoleBinding", "a", "Role", "a", (Subject("User", "oidc-bob"),))]

    def secret_names(self) -> Sequence[str]:
        return list(self.secrets)

    def secret_values(self, name: str) -> Mapping[str, str]:
        return self.secrets[name]

    def everything(self) -> Sequence[Listing]:
        return self.listings

    def may_other(self, user: str, verb: str, resource: str, groups: Sequence[str] = ()) -> Access:
        return Access(user == "oidc-bob" and verb == "list" and resource == "tables.exemple.fr")

    def verified(self) -> Any:
        cluster = cast(Cluster, self)
        return told(in_clear(cluster, "base"), cluster)


PLATFORM = role("postgres", STRONG, platform=True)
HELD = {"base": {"username": "postgres", "password": STRONG, "host": "base-rw", "port": "5432"}}


@pytest.mark.parametrize(("place", "said", "command"), PLACES.values(), ids=PLACES)
def test_each_place_is_named_and_has_its_remedy(
    place: Callable[[str], Listing], said: str, command: str
) -> None:
    found = Namespace([PLATFORM], HELD, place(STRONG)).verified()
    assert f"{said}, contient en clair" in found.finding
    assert list(found.commands) == ([command] if command else [])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    # who makes the server's trace refuses that one
    word=words.filter(lambda word: "😀" not in word),
    writing=st.sampled_from([*WRITINGS]),
    places=st.lists(st.sampled_from([*PLACES]), min_size=1, unique=True),
)
def test_it_is_found_anywhere_and_never_shown(word: str, writing: str, places: list[str]) -> None:
    assume(not is_common(word, ("chose", "user-alice", "boite", "autre", "PGPASSWORD")))
    listings = [PLACES[place][0](WRITINGS[writing](word)) for place in places]
    cluster = Namespace(
        [role("postgres", word, platform=True)], {"base": {"pass": word}}, *listings
    )
    found = cluster.verified()
    assert found is not None
    shown = (
        msgspec.json.encode(found).decode()
        + repr(found)
        + "".join([found.finding, found.cause, *found.commands])
    )
    assert not Search([word])(shown), "a password in the verdict"
    assert not Search([word])(
        repr(leaks(objects_of(listings), cluster.secrets.values(), cluster.roles))
    )


def test_a_name_that_is_a_password_is_not_shown() -> None:
    key = listing("configmaps", "ConfigMap", thing("ConfigMap", data={STRONG: "x"}))
    named = listing(
        "configmaps", "ConfigMap", thing("ConfigMap", "kT4mWq81ZpX0sLr7-a", data={"a": STRONG})
    )
    cluster = Namespace(
        [PLATFORM, role("equipe", "kT4mWq81ZpX0sLr7-")],
        {**HELD, "e": {"password": "kT4mWq81ZpX0sLr7-"}},
        key,
    )
    assert STRONG not in repr(cluster.verified())
    assert "dont le nom est masqué" in cluster.verified().finding
    assert Namespace([PLATFORM], HELD, named).verified()


def test_a_password_that_is_an_ordinary_word_is_looked_for_where_passwords_are() -> None:
    equipe, held = (
        role("equipe", "equipe"),
        {"compte": {"username": "equipe", "password": "equipe"}},
    )
    about = thing(
        "ConfigMap",
        "equipe",
        data={"utilisateur": "equipe", "note": "le compte equipe est à l’equipe"},
    )
    assert Namespace([equipe], held, listing("configmaps", "ConfigMap", about)).verified() is None
    for text in ("equipe", "postgresql://equipe:equipe@base-rw/d", "<password>equipe</password>"):
        assert Namespace([equipe], held, PLACES["a CronJob"][0](text)).verified(), text


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("password", f"{STRONG}\n"),
        ("uri", f"postgresql://u:{quote(STRONG, safe='')}@base-rw/d"),
        ("jdbc-uri", f"jdbc:postgresql://base-rw:5432/d?password={quote_plus(STRONG)}&user=u"),
        ("pgpass", "base-rw:5432:d:u:" + STRONG.replace("\\", "\\\\") + "\n"),
        ("config.json", json.dumps({"url": "x", "database": {"user": "u", "password": STRONG}})),
    ],
)
def test_it_is_known_from_whatever_a_secret_keeps(key: str, value: str) -> None:
    found = Namespace(
        [PLATFORM], {"compte": {key: value}}, PLACES["an event"][0](STRONG)
    ).verified()
    assert found.finding.endswith("celui de « postgres ».")


@pytest.mark.parametrize(
    "text",
    [
        "hote:5432:d:u:mot\\:de passe",
        "postgresql://u:mot%3Ade%20passe@hote/d",
        "CREATE ROLE u LOGIN PASSWORD 'mot:de passe';",
        "CREATE ROLE u LOGIN PASSWORD $q$mot:de passe$q$;",
        '{"user": "u", "password": "mot:de passe"}',
        "<password>mot:de passe</password>".replace("mot:de passe", "mot&#58;de&#32;passe"),
        to_base64("spring.datasource.password=mot\\:de\\ passe").replace("=", ""),
        "mot:de passe",
    ],
)
def test_a_password_that_no_secret_holds_is_told_as_such(text: str) -> None:
    lecture = role("lecture", "mot:de passe")
    found = Namespace([PLATFORM, lecture], HELD, PLACES["a CronJob"][0](text)).verified()
    assert "celui de « lecture » (aucun de vos Secrets ne le contient)" in found.finding
    assert Namespace([PLATFORM], HELD, PLACES["a CronJob"][0](text)).verified() is None, (
        "it opens nothing"
    )


def test_a_pod_goes_with_what_makes_it_and_the_past_does_not() -> None:
    deployment = thing("Deployment", spec={"template": {"spec": pod_spec(STRONG)}})
    version = thing(
        "ReplicaSet", owner="uid-Deployment-chose", spec={"template": {"spec": pod_spec(STRONG)}}
    )
    pod = thing("Pod", owner="uid-ReplicaSet-chose", spec=pod_spec(STRONG))
    of = [listing("pods", "Pod", pod), listing("deployments.apps", "Deployment", deployment)]
    found = Namespace(
        [PLATFORM], HELD, *of, listing("replicasets.apps", "ReplicaSet", version)
    ).verified()
    assert "à 2 endroits : le Deployment « chose »" in found.finding
    assert list(found.commands) == [
        "kubectl set env deployment/chose -n user-alice PGPASSWORD-",
        "kubectl delete replicaset chose -n user-alice --ignore-not-found",
    ]
    assert not found.transient
    alone = Namespace([PLATFORM], HELD, of[0]).verified()
    assert alone.transient, "what makes it is right: it is being made again"
    going = thing(
        "Pod", spec=pod_spec(STRONG), metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"}
    )
    assert Namespace([PLATFORM], HELD, listing("pods", "Pod", going)).verified() is None


@pytest.mark.parametrize(
    "spec",
    [
        {"containers": [STRONG]},
        {"containers": [{"env": {"A": STRONG}}]},
        {"containers": {"a": [STRONG]}},
        {STRONG: 1},
    ],
)
def test_kinds_of_another_shape_are_searched_too(spec: dict[str, Any]) -> None:
    for kind in ("Table", "Deployment", "ControllerRevision"):
        found = Namespace(
            [PLATFORM], HELD, listing("tables.exemple.fr", kind, thing(kind, spec=spec))
        ).verified()
        assert "en clair" in found.finding
        assert STRONG not in found.finding


def test_the_base_itself_is_never_deleted() -> None:
    metadata = {"labels": {"cnpg.io/cluster": "base"}, "annotations": {"a": STRONG}}
    pod = thing("Pod", "base-1", spec=pod_spec(STRONG, "ephemeralContainers"), metadata=metadata)
    found = Namespace([PLATFORM], HELD, listing("pods", "Pod", pod)).verified()
    assert list(found.commands) == ["kubectl annotate pod base-1 -n user-alice a-"]


def test_many_places_are_counted_and_several_passwords_told() -> None:
    equipe = role("equipe", "kT4mWq81ZpX0sLr7")
    data = {f"cle-{rank}": STRONG for rank in range(6)} | {"equipe": "PGPASSWORD=kT4mWq81ZpX0sLr7"}
    cluster = Namespace(
        [PLATFORM, equipe], HELD, listing("configmaps", "ConfigMap", thing("ConfigMap", data=data))
    )
    said = cluster.verified().finding
    assert "des mots de passe de la base, ceux de « postgres » et « equipe »" in said
    assert "(aucun de vos Secrets ne contient celui de « equipe »)" in said
    assert "sont écrits en clair à 7 endroits" in said
    assert said.endswith("clé « cle-4 » ; et 2 autres.")


def test_what_somebody_else_reads_and_we_do_not_is_not_passed() -> None:
    with pytest.raises(Unverifiable, match=r"tables\.exemple\.fr"):
        Namespace([PLATFORM], HELD, Listing("Table", "tables.exemple.fr", None)).verified()
    assert (
        Namespace([PLATFORM], HELD, Listing("Bail", "leases.coordination.k8s.io", None)).verified()
        is None
    )
