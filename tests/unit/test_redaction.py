"""What hides secrets: every form of one that is known, every shape of one that is not, and nothing
else."""

from __future__ import annotations

import base64
import json
import logging
import re
import shlex
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from checks import redaction
from checks.errors import CahierError
from checks.redaction import (
    MASK,
    Formatter,
    redact,
    redacted,
    remember,
    remember_secret,
    remember_tree,
    remember_url,
)


def forms(secret: str) -> Iterator[str]:
    """How a secret may be met, written without the code under test."""
    yield secret
    yield json.dumps({"x": secret})
    yield json.dumps({"x": secret}, ensure_ascii=False)
    yield repr(secret)
    yield shlex.join(["psql", secret])
    yield quote(secret)
    yield re.sub("%..", lambda found: found[0].lower(), quote(secret, safe=""))
    yield quote_plus(secret)
    yield "Bearer " + secret
    for before in ("", "u:", "user:"):
        yield base64.b64encode(f"{before}{secret}".encode()).decode()
        yield base64.urlsafe_b64encode(f"{before}{secret}\n".encode()).decode()
    yield f"│ {secret[: len(secret) // 2]} │\n│   {secret[len(secret) // 2 :]} │"
    yield f"cut short: {secret[:12]}…"


SECRETS = st.text(
    st.sampled_from("abcdefgXYZ0123456789+/=%&'\"$é -_.~"), min_size=12, max_size=40
).map(str.strip)


@settings(deadline=None)
@given(SECRETS)
def test_every_form_of_a_known_secret_is_hidden(secret: str) -> None:
    # shorter ones may be wrapped unseen
    assume(redaction._telling(secret) and "  " not in secret and len(secret) >= 12)
    redaction._known.__init__()  # type: ignore[misc]
    remember(secret + "\n")
    plain = secret.replace(" ", "")
    for form in forms(secret):
        told = redact(form)
        assert MASK in told, form
        for part in (
            secret,
            plain[:10],
            base64.b64encode(secret.encode()).decode()[4:16],
            quote(secret)[:14],
        ):
            assert part not in told.replace(" ", ""), (form, told)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "token eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl refusé",
            f"token {MASK} refusé",
        ),
        ("Authorization: Bearer abcd-efgh1", f"Authorization: Bearer {MASK}"),
        ("Basic dXNlcjpwYXNz", f"Basic {MASK}"),
        (
            "http://alice:mot2passe@proxy.exemple.fr:3128",
            f"http://alice:{MASK}@proxy.exemple.fr:3128",
        ),
        ("-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\n-----END EC PRIVATE KEY----- ok", f"{MASK} ok"),
        (base64.b64encode(b"-----BEGIN PRIVATE KEY-----\nMHcCAQEE").decode(), MASK),
        ("SCRAM-SHA-256$4096:c2Vs$abc:def fini", f"{MASK} fini"),
    ],
)
def test_what_has_the_shape_of_a_secret_is_hidden(text: str, words: str) -> None:
    assert redact(text) == words


@pytest.mark.parametrize(
    "text",
    [
        "Le jeton « token » a expiré ; Bearer token refusé, Basic authentication refusée.",
        "kubectl create secret generic x --from-literal=username=app "
        "--from-file=password=/dev/stdin",
        "postgresql://$(USER):$(PASSWORD)@postgresql-cnpg-951239-rw:5432/defaultdb",
        "https://kubernetes.default.svc:443/api?x=a@b",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
        "user-alice ne peut pas lire postgresql-cnpg-951239-rw.user-alice.svc.cluster.local:5432",
    ],
)
def test_ordinary_words_are_left_as_they_are(text: str) -> None:
    values = {
        "username": "user-alice",
        "password": "abc",
        "host": "postgresql-cnpg-951239-rw",
        "database": "defaultdb",
        "port": "5432",
        "admin-password": "user-alice",
        "token": "kubernetes",
    }
    remember_secret("postgresql-cnpg-951239", "user-alice", values)
    assert redact(text) == text


def test_the_values_of_a_secret() -> None:
    values = {
        "password": "Zq8kLm2nPx",
        "uri": "postgresql://app:autre-9Mot@base:5432/app",
        "licence": "Ab3dEf6hIj9kLm2nOp",
        "pgpass": "base:5432:app:app:encore1Mot\n",
        ".dockerconfigjson": '{"auths": {"registre": {"username": "bob", "password": '
        '"image-7Mot"}}}',
        "username": "app-lecture",
    }
    remember_secret("base", "user-bob", values)
    told = redact(" ".join(values.values()))
    assert "app-lecture" in told
    for secret in ("Zq8kLm2nPx", "autre-9Mot", "Ab3dEf6hIj9kLm2nOp", "encore1Mot", "image-7Mot"):
        assert secret not in told
    assert redact("le Service base:5432") == "le Service base:5432"


def test_the_entries_of_a_kubeconfig() -> None:
    entries = {
        "clusters": [
            {
                "cluster": {
                    "proxy-url": "http://bob:proxy-9secret@p:3128",
                    "server": "https://api.exemple.fr",
                }
            }
        ],
        "users": [
            {
                "name": "a",
                "user": {"token": "jeton-opaque-1", "tokenFile": "/run/jeton-de-alice.txt"},
            },
            {
                "name": "b",
                "user": {
                    "password": "mot2passe",
                    "username": "bob",
                    "client-key-data": "Q0xFLXByaXZlZQ==",
                },
            },
            {
                "name": "c",
                "user": {
                    "exec": {
                        "args": [
                            "--client-secret=exec-arg-1",
                            "--api-token",
                            "exec-arg-2",
                            "--verbose",
                        ],
                        "env": [
                            {"name": "CLE", "value": "exec-env-1"},
                            {"name": "CONFIG", "value": "/etc/greffon-7"},
                        ],
                    }
                },
            },
            {
                "name": "d",
                "user": {
                    "auth-provider": {"config": {"refresh-token": "rafraichir-1", "id-token": 7}}
                },
            },
            "étrange",
        ],
        "odd": None,
    }
    remember_tree(entries)
    told = redact(json.dumps(entries))
    secrets = (
        "proxy-9secret jeton-opaque-1 mot2passe Q0xFLXByaXZlZQ exec-arg-1 exec-arg-2 exec-env-1 "
        "rafraichir-1"
    )
    assert [secret for secret in secrets.split() if secret in told] == []
    assert "/run/jeton-de-alice.txt" in told
    assert "/etc/greffon-7" in told
    assert "https://api.exemple.fr" in told


def test_a_proxy_whose_password_is_percent_encoded() -> None:
    remember_url("http://bob:p%40ss%2Fmot9@proxy:3128")
    assert redact("p@ss/mot9 p%40ss%2Fmot9") == f"{MASK} {MASK}"
    remember_url("http://[::1:80/@")  # no address at all: nothing to know, nothing to fear


def test_technical_text_loses_what_is_assigned_to_a_private_name() -> None:
    text = "{'password': 'court', \"token\": \"xyz\"} Cookie: a=b; c=d\nPGPASSWORD=court psql"
    assert redact(text) == text
    assert redact(text, technical=True) == (
        f"{{'password': '{MASK}', \"token\": \"{MASK}\"}} Cookie: {MASK}\nPGPASSWORD={MASK} psql"
    )


def test_messages_logs_and_structures() -> None:
    remember("canari-9jeton")
    error = CahierError("kubectl a dit : canari-9jeton", "Relancez avec canari-9jeton")
    assert "canari" not in error.message + error.remedy + str(error)
    try:
        raise ValueError("canari-9jeton")
    except ValueError as trouble:
        record = logging.LogRecord("x", logging.DEBUG, "f", 1, "oups %s", ("canari-9jeton",), None)
        record.exc_info = (type(trouble), trouble, trouble.__traceback__)
    line = Formatter(logging.BASIC_FORMAT).format(record)
    assert "canari-9jeton" not in line
    assert "ValueError" in line
    assert redacted({"a": ["canari-9jeton", 1, None]}) == {"a": [MASK, 1, None]}
