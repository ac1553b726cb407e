"""Which accounts of the server are fit for a team, what is wrong with the others, and what mends
them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from checks.capabilities import Cluster
from checks.diagnosis.databases.catalogue import PORT
from checks.diagnosis.rights.team import TEAM
from checks.errors import Unverifiable
from checks.exchange.postgres import refusal
from checks.facts import ForwardRefused
from checks.lesson import Lesson
from checks.shell import identifier, one_word

from . import lessons
from .accounts import Role, administrators, base_values, roles
from .ways_in import base

_FILES = ("pg_read_server_files", "pg_write_server_files", "pg_execute_server_program")


@dataclass(frozen=True)
class Power:
    """A power that no account of a team needs, and the SQL that takes it away."""

    said: str
    sql: str


@dataclass(frozen=True)
class Flaw:
    """What keeps an account from being the team's, and the commands that mend it."""

    said: str
    commands: tuple[str, ...]


def no_fit_account(cluster: Cluster) -> Lesson | None:
    """Why the team has no account of its own; None when one is fit for it. Raises Unverifiable."""
    database, pod = base(cluster)
    own = sorted(
        (role for role in roles(cluster) if not role.platform),
        key=lambda role: (not role.login, role.name),
    )
    found = [(role, _flaw(cluster, role)) for role in own]
    unfit = [(role, flaw) for role, flaw in found if flaw is not None]
    if len(unfit) < len(found):
        return None
    administrator = one_word(administrators(pod)[-1])
    if not unfit:
        return lessons.NoOwnAccount(
            base=database.release,
            pod=pod.name,
            administrator=administrator,
            commands=new_password(cluster, TEAM),
        )
    role, flaw = unfit[0]
    return lessons.UnfitAccount(
        base=database.release,
        account=role.name,
        flaw=flaw.said,
        pod=pod.name,
        administrator=administrator,
        commands=flaw.commands,
    )


def administrating_account(cluster: Cluster) -> Lesson | None:
    """The first account that has powers and is not the platform's; None when there is none. Raises
    Unverifiable."""
    for role in roles(cluster):
        power = None if role.platform or not role.login else _too_strong(cluster, role)
        if power is not None:
            database, pod = base(cluster)
            return lessons.AdministratingAccount(
                base=database.release,
                account=role.name,
                power=power.said,
                pod=pod.name,
                commands=(_run_sql(cluster, power.sql),),
            )
    return None


def _too_strong(cluster: Cluster, role: Role) -> Power | None:
    """None when the role has no power but those of an ordinary account."""
    if role.powers:
        without = " ".join(f"NO{power}" for power in role.powers)
        said = lessons.HasPowers(powers=", ".join(role.powers))
        return Power(str(said), f"ALTER ROLE {role.quoted} {without};")
    strong = {one.name: one for one in roles(cluster) if one.platform or one.powers}
    for name in role.within:
        revoke = f"REVOKE {identifier(name)} FROM {role.quoted};"
        if name in _FILES:
            return Power(str(lessons.HandlesFiles(role=name)), revoke)
        if name in strong:
            member = lessons.MemberOfPlatform if strong[name].platform else lessons.MemberOfPowerful
            return Power(str(member(role=name)), revoke)
    return None


def _flaw(cluster: Cluster, role: Role) -> Flaw | None:
    """None when the role is fit for the team: the platform's password, at last, is really tried."""
    power = _too_strong(cluster, role)
    if power is not None:
        return Flaw(power.said, (_run_sql(cluster, power.sql),))
    if not role.login:
        return Flaw(lessons.NO_LOGIN, new_password(cluster, role.name))
    if not role.databases:
        granted = f"GRANT CONNECT ON DATABASE {_database(cluster)} TO {role.quoted};"
        return Flaw(lessons.NO_CONNECT, (_run_sql(cluster, granted),))
    if not role.stored:
        return Flaw(lessons.NO_PASSWORD, new_password(cluster, role.name))
    if role.expired:
        return Flaw(
            lessons.EXPIRED,
            (_run_sql(cluster, f"ALTER ROLE {role.quoted} VALID UNTIL 'infinity';"),),
        )
    if any(
        _session_opens(cluster, role, password) for password in base_values(cluster, "password")
    ):
        return Flaw(lessons.PASSWORD_OF_THE_PLATFORM, new_password(cluster, role.name))
    return None


def _session_opens(cluster: Cluster, role: Role, password: str) -> bool:
    """Whether the server opens a session for the role with this password: really tried. Raises
    Unverifiable."""
    database = next(iter(role.databases), "postgres")
    try:
        with cluster.forward(base(cluster)[1].name, PORT) as connection:
            code, _ = refusal(connection, role.name, password, database)
    except (ForwardRefused, OSError) as cut:
        raise Unverifiable(
            f"La base n’a pas répondu jusqu’au bout : {cut}.", "Relancez la commande."
        ) from None
    # the last two: the password was right; that database is closed to it
    return code in (
        "",
        "3D000",
        "42501",
    )


def _database(cluster: Cluster) -> str:
    name = next(
        iter([*base_values(cluster, "database"), *base_values(cluster, "dbname")]), "defaultdb"
    )
    return identifier(name)


# -- remedies --------------------------------------------------------------------------------------


def _run_sql(cluster: Cluster, sql: str) -> str:
    """The command that has the server's administrator run this SQL."""
    pod = base(cluster)[1]
    admin = administrators(pod)[-1]
    return (
        f"kubectl exec {pod.name} -n {cluster.namespace} -- psql -q -U {one_word(admin)} -d "
        f"postgres -c {one_word(sql)}"
    )


def new_password(cluster: Cluster, role: str) -> tuple[str, ...]:
    """The command that draws a password, keeps it in a Secret of the role's own, and gives it to
    the role, unseen."""
    release = base(cluster)[0].release
    return (
        f"cahier catalogue compte {one_word(release)} {one_word(role)} --namespace "
        f"{cluster.namespace}",
    )


def password_changed(cluster: Cluster, role: Role) -> Sequence[str]:
    """The commands that change a password, for the accounts that are the learner's own to
    change."""
    return () if role.platform else new_password(cluster, role.name)
