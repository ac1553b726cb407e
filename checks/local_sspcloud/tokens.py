"""The signed tokens of « Connexion à Kubernetes » on the local cluster, as the platform's own: JWT,
RS256."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from checks.places import ISSUER, folder, write_private

if TYPE_CHECKING:
    from joserfc.jwk import RSAKey

AUDIENCE = "kubernetes"
ALGORITHM = "RS256"  # the platform's, and the one that the API server expects when nothing is said


def sign(
    person: str, lifetime: timedelta, groups: Sequence[str] = (), issued: datetime | None = None
) -> str:
    """A signed token for `person`, a user of the cluster under `oidc-PERSON` with the groups
    `oidc-GROUP`.

    `issued` None: now. There must be a key.
    """
    from joserfc import jwt

    signing = key()
    begins = issued or datetime.now(UTC)
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": person,
        "preferred_username": person,
        "groups": list(groups),
        "iat": int(begins.timestamp()),
        "exp": int((begins + lifetime).timestamp()),
    }
    return jwt.encode({"alg": ALGORITHM, "kid": signing.kid}, claims, signing)


def ensure_key() -> None:
    """Make the key that signs, where there is none."""
    from joserfc.jwk import RSAKey

    if not _key_file().is_file():
        made = RSAKey.generate_key(2048, {"use": "sig", "alg": ALGORITHM}, auto_kid=True)
        write_private(_key_file(), json.dumps(made.as_dict(private=True)))


def key() -> RSAKey:
    """The private key that signs; it goes with the cluster's other files."""
    from joserfc.jwk import RSAKey

    return RSAKey.import_key(json.loads(_key_file().read_text(encoding="utf-8")))


def _key_file() -> Path:
    return folder() / "issuer.json"
