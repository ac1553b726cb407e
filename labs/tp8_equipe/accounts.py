"""The accounts of a shared PostgreSQL server: what each may do, and which password opens it. No password is shown."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field

from checks.diagnosis.databases.catalogue import PORT, platform_values
from checks.errors import Unverifiable
from checks.exchange.postgres import refusal
from checks.facts import Cluster, ForwardRefused, Pod
from checks.shell import identifier, one_word

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
 'databases', array(select datname::text from pg_database d where d.datallowconn and not d.datistemplate
  and d.datname <> 'postgres' and has_database_privilege(a.oid, d.oid, 'CONNECT')))), '[]')
from pg_authid a where a.rolname !~ '^pg_'
"""
_FILES = ("pg_read_server_files", "pg_write_server_files", "pg_execute_server_program")
_OPERATOR = ("postgres", "streaming_replica", "cnpg_pooler_pgbouncer")


def administrators(pod: Pod) -> Sequence[str]:
    """Names under which psql may enter the server from inside its pod."""
    given = [
        variable.get("value", "")
        for box in pod.raw.get("spec", {}).get("containers", ())
        for variable in box.get("env") or ()
        if variable["name"] in ("POSTGRES_USER", "POSTGRESQL_USERNAME")
    ]
    return list(dict.fromkeys(["postgres", *filter(None, given)]))


def _ask_server(cluster: Cluster, pod: Pod, sql: str) -> str:
    trouble: Unverifiable | None = None
    for name in administrators(pod):
        try:
            return cluster.execute(pod.name, ["psql", "-U", name, "-d", "postgres", "-AtX", "-c", sql])
        except Unverifiable as refusal:
            trouble = trouble or refusal
    raise trouble or Unverifiable("Aucun compte n’interroge le serveur.")


def _values(cluster: Cluster, key: str) -> Sequence[str]:
    return platform_values(cluster, base(cluster)[0].release, key)


def _roles(cluster: Cluster) -> Sequence[Role]:
    pod = base(cluster)[1]
    own = {*_OPERATOR, *administrators(pod), *_values(cluster, "username")}
    return [
        Role(
            name=item["name"],
            login=item["login"],
            stored=item["stored"],
            expired=item["expired"],
            powers=tuple(item["powers"]),
            within=tuple(item["within"]),
            databases=tuple(item["databases"]),
            platform=item["name"] in own,
        )
        for item in json.loads(_ask_server(cluster, pod, _ROLES))
    ]


def roles(cluster: Cluster) -> Sequence[Role]:
    """The roles of the server, asked of itself. Raises Unverifiable where no command runs in its pod."""
    return cluster.once(_roles)


def too_strong(cluster: Cluster, role: Role) -> tuple[str, str] | None:
    """A power that no account of a team needs: what it is, and the SQL that takes it away."""
    if role.powers:
        without = " ".join(f"NO{power}" for power in role.powers)
        return f"a le pouvoir {', '.join(role.powers)}", f"ALTER ROLE {role.quoted} {without};"
    strong = {one.name: one for one in roles(cluster) if one.platform or one.powers}
    for name in role.within:
        if name in _FILES:
            return f"est membre de « {name} », donc lit ou écrit les fichiers du serveur", _revoke(role, name)
        if name in strong:
            said = "un compte de la plateforme" if strong[name].platform else "un rôle puissant"
            return f"est membre de « {name} », {said} : il en a tous les pouvoirs", _revoke(role, name)
    return None


def _revoke(role: Role, name: str) -> str:
    return f"REVOKE {identifier(name)} FROM {role.quoted};"


def opens(word: str, role: Role) -> bool:
    """Whether `word` is the role's password, told from what the server keeps of it.

    https://www.postgresql.org/docs/current/catalog-pg-authid.html, RFC 5802; and RFC 4013, by which two ways to write
    a letter are one password.
    """
    return any(_is_kept(form, role) for form in {word, unicodedata.normalize("NFKC", word)})


def _is_kept(word: str, role: Role) -> bool:
    if role.stored.startswith("md5"):
        return hmac.compare_digest(hashlib.md5((word + role.name).encode()).hexdigest(), role.stored[3:])
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


def _session_opens(cluster: Cluster, role: Role, password: str) -> bool:
    """Whether the server opens a session for the role with this password: really tried. Raises Unverifiable."""
    database = next(iter(role.databases), "postgres")
    try:
        with cluster.forward(base(cluster)[1].name, PORT) as connection:
            code, _ = refusal(connection, role.name, password, database)
    except (ForwardRefused, OSError) as cut:
        raise Unverifiable(f"La base n’a pas répondu jusqu’au bout : {cut}.", "Relancez la commande.") from None
    return code in ("", "3D000", "42501")  # the last two: the password was right; that database is closed to it


def flaw(cluster: Cluster, role: Role) -> tuple[str, Sequence[str]] | None:
    """What keeps a role from being the team's account, and the commands that mend it; None when it is sound."""
    strong = too_strong(cluster, role)
    if strong is not None:
        return strong[0], (sql_command(cluster, strong[1]),)
    if not role.login:
        return "ne peut pas ouvrir de session (NOLOGIN)", new_password(cluster, role.name)
    if not role.databases:
        return "n’a pas le droit de se connecter à la base (CONNECT)", (
            sql_command(cluster, f"GRANT CONNECT ON DATABASE {_database(cluster)} TO {role.quoted};"),
        )
    change = f"ALTER ROLE {role.quoted}"
    if not role.stored:
        return "n’a pas de mot de passe : il ne peut pas entrer", new_password(cluster, role.name)
    if role.expired:
        return "a expiré (VALID UNTIL)", (sql_command(cluster, f"{change} VALID UNTIL 'infinity';"),)
    if any(_session_opens(cluster, role, password) for password in _values(cluster, "password")):
        said = "a le mot de passe de la plateforme : celui du Secret de la base lui ouvre une session"
        return said, new_password(cluster, role.name)
    return None


def _database(cluster: Cluster) -> str:
    name = next(iter([*_values(cluster, "database"), *_values(cluster, "dbname")]), "defaultdb")
    return identifier(name)


# -- commands -----------------------------------------------------------------------------------------------------


def sql_command(cluster: Cluster, sql: str) -> str:
    """The command that has the server's administrator run this SQL."""
    pod = base(cluster)[1]
    admin = administrators(pod)[-1]
    return (
        f"kubectl exec {pod.name} -n {cluster.namespace} -- psql -q -U {one_word(admin)} -d postgres -c {one_word(sql)}"
    )


def new_password(cluster: Cluster, role: str) -> Sequence[str]:
    """The command that draws a password, keeps it in a Secret of the role's own, and gives it to the role, unseen."""
    release = base(cluster)[0].release
    return (f"cahier catalogue compte {one_word(release)} {one_word(role)} --namespace {cluster.namespace}",)


def password_changed(cluster: Cluster, role: Role) -> Sequence[str]:
    """The commands that change a password, for the accounts that are the learner's own to change."""
    return () if role.platform else new_password(cluster, role.name)
