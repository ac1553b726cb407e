"""An account of what stands in for MongoDB gets a password: the server receives what it keeps of
it, never the password itself (RFC 5802)."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from checks.errors import CahierError, Unverifiable

if TYPE_CHECKING:
    from checks.access.kubernetes_api import Api

ROOT = "root"
_ROOT_DATABASE = "admin"
_ITERATIONS = 15_000  # MongoDB's own


def set_password(
    api: Api, namespace: str, pod: str, database: str, account: str, password: str
) -> None:
    """Give an account this password, and make it where there is none. Raises CahierError."""
    from scramp.core import ScramMechanism

    salt, stored, server, iterations = ScramMechanism("SCRAM-SHA-256").make_auth_info(
        password, iteration_count=_ITERATIONS
    )
    told = [base64.b64encode(part).decode() for part in (salt, stored, server)]
    its = _ROOT_DATABASE if account == ROOT else database
    command = ["/mongodb", "account", its, account, str(iterations), *told]
    try:
        api.execute(namespace, pod, command)
    except Unverifiable as trouble:
        raise CahierError(
            str(trouble), "Vérifiez vos droits : kubectl auth can-i create pods/exec"
        ) from trouble
