"""The accounts of a shared PostgreSQL server, and which password opens each of them. No password is
shown."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field

from checks.capabilities import Cluster
from checks.diagnosis.databases.catalogue import platform_values
from checks.errors import Unverifiable
from checks.facts import Pod
from checks.shell import identifier

from .ways_in import base


@dataclass(frozen=True)
class Role:
    """A role of the server. `stored` is PostgreSQL's own trace of the password, never shown."""

    name: str
    login: bool
    stored: str = field(repr=False)
    expired: bool
    powers: tuple[str, ...]
    within: tuple[str, ...]
    databases: tuple[str, ...]
    platform: bool

    @property
    def quoted(self) -> str:
        """The name as SQL writes it."""
        return identifier(self.name)


_ROLES = """
select coalesce(json_agg(json_build_object(
 'name', a.rolname, 'login', a.rolcanlogin, 'stored', coalesce(a.rolpassword, ''),
 'expired', coalesce(a.rolvaliduntil < now(), false),
 'powers', array_remove(array[
  case when a.rolsuper then 'SUPERUSER' end, case when a.rolcreaterole then 'CREATEROLE' end,
  case when a.rolcreatedb then 'CREATEDB' end, case when a.rolreplication then 'REPLICATION' end,
  case when a.rolbypassrls then 'BYPASSRLS' end], null),
 'within', array(select o.rolname::text from pg_authid o where o.oid <> a.oid and not a.rolsuper
  and pg_has_role(a.oid, o.oid, 'MEMBER')),
 'served', a.oid = 10 or exists(select from pg_hba_file_rules r where a.rolname = any(r.user_name)),
 'databases', array(select datname::text from pg_database d
 where d.datallowconn and not d.datistemplate
  and d.datname <> 'postgres' and has_database_privilege(a.oid, d.oid, 'CONNECT')))), '[]')
from pg_authid a where a.rolname !~ '^pg_'
"""
"""`served`: the server itself was set up with the account. It is the one that initdb makes, or
pg_hba.conf says how it comes in, by its name: that file is the operator's, and a person's account
comes in by a rule for all.
https://www.postgresql.org/docs/current/view-pg-hba-file-rules.html"""


def administrators(pod: Pod) -> Sequence[str]:
    """Names under which psql may enter the server from inside its pod."""
    given = [
        variable.value
        for box in pod.spec.containers
        for variable in box.env
        if variable.name in ("POSTGRES_USER", "POSTGRESQL_USERNAME")
    ]
    return list(dict.fromkeys(["postgres", *filter(None, given)]))


def _ask_server(cluster: Cluster, pod: Pod, sql: str) -> str:
    trouble: Unverifiable | None = None
    for name in administrators(pod):
        try:
            return cluster.execute(
                pod.name, ["psql", "-U", name, "-d", "postgres", "-AtX", "-c", sql]
            )
        except Unverifiable as refusal:
            trouble = trouble or refusal
    raise trouble or Unverifiable("Aucun compte n’interroge le serveur.")


def base_values(cluster: Cluster, key: str) -> Sequence[str]:
    """Values of a key in the Secrets that the platform made for the base: read each time, never
    kept, never shown."""
    return platform_values(cluster, base(cluster)[0].release, key)


def _roles(cluster: Cluster) -> Sequence[Role]:
    pod = base(cluster)[1]
    known = administrators(pod)
    own = {*known, *base_values(cluster, "username")}
    found = [
        Role(
            name=item["name"],
            login=item["login"],
            stored=item["stored"],
            expired=item["expired"],
            powers=tuple(item["powers"]),
            within=tuple(sorted(item["within"])),
            databases=tuple(sorted(item["databases"])),
            platform=item["served"] or item["name"] in own,
        )
        for item in json.loads(_ask_server(cluster, pod, _ROLES))
    ]
    # the server gives them in the order in which they were last changed
    return sorted(found, key=lambda role: (role.name not in known, not role.platform, role.name))


def roles(cluster: Cluster) -> Sequence[Role]:
    """The roles of the server, asked of itself. Raises Unverifiable where no command runs in its
    pod."""
    return cluster.once(_roles)


def opens(word: str, role: Role) -> bool:
    """Whether `word` is the role's password, told from what the server keeps of it.

    https://www.postgresql.org/docs/current/catalog-pg-authid.html, RFC 5802; and RFC 4013, by which
    two ways to write a letter are one password.
    """
    return any(_is_kept(form, role) for form in {word, unicodedata.normalize("NFKC", word)})


def _is_kept(word: str, role: Role) -> bool:
    if role.stored.startswith("md5"):
        return hmac.compare_digest(
            hashlib.md5((word + role.name).encode()).hexdigest(), role.stored[3:]
        )
    found = re.fullmatch(r"SCRAM-SHA-256\$(\d+):([^$]+)\$([^:]+):.+", role.stored)
    if found is None:
        return False
    salted = hashlib.pbkdf2_hmac("sha256", word.encode(), base64.b64decode(found[2]), int(found[1]))
    kept = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    return hmac.compare_digest(base64.b64encode(kept).decode(), found[3])


def opened_by(cluster: Cluster, word: str) -> Sequence[Role]:
    """Accounts that `word` opens, the platform's first."""
    found = [role for role in roles(cluster) if role.login and opens(word, role)]
    return sorted(found, key=lambda role: not role.platform)
