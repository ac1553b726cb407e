"""A role of a PostgreSQL server gets a password: the server receives what it keeps of it, never the
password itself (RFC 5803)."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from checks.errors import CahierError, Unverifiable

if TYPE_CHECKING:
    from checks.access.kubernetes_api import Api
    from checks.objects.pods import PodObject


def set_password(api: Api, namespace: str, pod: PodObject, role: str, password: str) -> None:
    """Give a role this password, and make the role where there is none. Raises CahierError."""
    _run(
        api,
        namespace,
        pod,
        f"DO $do$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') "
        f'THEN CREATE ROLE "{role}"; END IF; END $do$; '
        f"ALTER ROLE \"{role}\" LOGIN PASSWORD '{verifier(password)}'",
    )


def verifier(password: str) -> str:
    """What PostgreSQL keeps of a password.
    https://www.postgresql.org/docs/current/catalog-pg-authid.html"""
    from scramp.core import ScramMechanism

    salt, stored, server, iterations = ScramMechanism("SCRAM-SHA-256").make_auth_info(
        password, iteration_count=4096
    )
    told = [base64.b64encode(part).decode() for part in (salt, stored, server)]
    return f"SCRAM-SHA-256${iterations}:{told[0]}${told[1]}:{told[2]}"


def _run(api: Api, namespace: str, pod: PodObject, sql: str) -> None:
    """Have the server's administrator run this SQL. Raises CahierError."""
    boxes = pod.spec.containers
    given = [
        variable.value
        for box in boxes
        for variable in box.env
        if variable.name in ("POSTGRES_USER", "POSTGRESQL_USERNAME")
    ]
    box = next((one for one in boxes if one.name in ("postgres", "postgresql")), boxes[0])
    trouble: Unverifiable | None = None
    for admin in dict.fromkeys(("postgres", *filter(None, given))):
        command = [
            "psql",
            "-q",
            "-X",
            "-v",
            "ON_ERROR_STOP=1",
            "-U",
            admin,
            "-d",
            "postgres",
            "-c",
            sql,
        ]
        try:
            api.execute(namespace, pod.name, command, container=box.name)
            return
        except Unverifiable as refusal:
            trouble = trouble or refusal
    raise CahierError(str(trouble), "Vérifiez vos droits : kubectl auth can-i create pods/exec")
