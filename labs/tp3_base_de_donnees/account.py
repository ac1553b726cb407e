"""The account that the platform keeps in the Secret of a base: whether the base admits it, and what
mends it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from checks.capabilities import Cluster
from checks.diagnosis.databases.catalogue import PORT, Database, launch, relaunch
from checks.errors import Unverifiable
from checks.exchange.postgres import NotPostgres, refusal
from checks.facts import Pod
from checks.lesson import Lesson
from checks.shell import one_word

from . import lessons
from .server import reached

_STARTING = ("57P03", "53300")  # https://www.postgresql.org/docs/current/errcodes-appendix.html
# the account was accepted; that database does not exist or is closed to it
_OTHER_DATABASE = (
    "3D000",
    "42501",
)


@dataclass(frozen=True)
class Account:
    """The account of a base that runs in a pod, each of `user` and `password` "" when it is not
    written.

    `key`: where the Secret has the password. `databases`: where the account is tried, in that
    order.
    """

    base: str
    pod: str
    user: str
    password: str = field(repr=False)
    key: str
    databases: tuple[str, ...]

    @property
    def is_whole(self) -> bool:
        """Whether nothing of it is missing."""
        return bool(self.user and self.password)


@dataclass(frozen=True)
class Answer:
    """PostgreSQL's answer to an account: SQLSTATE and message of what it refuses, both "" when it
    opens a session."""

    code: str
    message: str


def base_reached(cluster: Cluster) -> tuple[Database, Pod]:
    """The database that answers on localhost. Raises Unverifiable when none of ours does any
    more."""
    try:
        found = reached(cluster)
    except (NotPostgres, OSError) as silence:
        raise Unverifiable(
            f"Le tunnel a été coupé : {silence}.", "Rouvrez-le, puis recommencez."
        ) from None
    if found is None:
        raise Unverifiable("La base a changé pendant la vérification.", "Relancez la commande.")
    return found


def account_in(values: Mapping[str, str], database: Database, pod: Pod) -> Account:
    """The account that a release's Secret gives; the older chart writes the user in the pod
    only."""
    given = {variable.name: variable.value for box in pod.spec.containers for variable in box.env}
    user = (
        values.get("username")
        or given.get("POSTGRES_USER")
        or given.get("POSTGRESQL_USERNAME")
        or ""
    )
    key = "password" if values.get("password") else "postgres-password"
    names = (values.get("database"), values.get("dbname"), "defaultdb", user, "postgres")
    tried = tuple(dict.fromkeys(one for one in names if one))
    return Account(database.release, pod.name, user, values.get(key) or "", key, tried)


def absent(
    cluster: Cluster, account: Account, values: Mapping[str, str] | None
) -> lessons.NoSecret:
    """What there is not of an account that is not whole: its Secret (`values` is None), or keys of
    it."""
    again = _restored(cluster, account.base)
    if values is None:
        return lessons.NoSecret(name=account.base, commands=again)
    written = {"username": account.user, "password": account.password}
    keys = lessons.OR.join(key for key, value in written.items() if not value)
    return lessons.NoAccount(name=account.base, keys=keys, commands=again)


def answer_to(cluster: Cluster, account: Account) -> Answer:
    """PostgreSQL's answer to an account, through the tunnel. Raises Unverifiable when the tunnel is
    cut."""
    answer = Answer("", "")
    for database in account.databases:
        try:
            with cluster.machine.connect(cluster.local_port(PORT)) as connection:
                connection.settimeout(8)
                answer = Answer(*refusal(connection, account.user, account.password, database))
        except OSError as cut:
            raise Unverifiable(
                f"Le tunnel a été coupé : {cut}.", "Rouvrez-le, puis recommencez."
            ) from None
        if answer.code not in _OTHER_DATABASE:
            break
    return answer


def refused(cluster: Cluster, account: Account, answer: Answer) -> Lesson:
    """Why the base does not open a session. Raises Unverifiable when it knows the account, and no
    database that was tried admits it."""
    name, user, message = account.base, account.user, answer.message
    if answer.code in _OTHER_DATABASE:
        known = lessons.AdmittedNowhere(user=user, message=message)
        raise Unverifiable(str(known), lessons.WRITE_ITS_DATABASE)
    if answer.code in _STARTING:
        return lessons.NoSessionNow(name=name, pod=account.pod, message=message, transient=True)
    again = (_aligned(cluster, name, user),)
    if _ends_its_line(cluster, account):
        return lessons.LineFeed(name=name, key=account.key, commands=again)
    return lessons.AccountRefused(name=name, user=user, message=message, commands=again)


def _ends_its_line(cluster: Cluster, account: Account) -> bool:
    """Whether the password is that of the base, but for an end of line."""
    bare = account.password.rstrip("\r\n")
    return bare != account.password and not answer_to(cluster, replace(account, password=bare)).code


def _aligned(cluster: Cluster, name: str, user: str) -> str:
    """The command that gives the role the Secret's password, without showing it nor an end of line
    that it may have."""
    place = f"--namespace {cluster.namespace}"
    return f"cahier catalogue compte {name} {one_word(user)} --secret {name} {place}"


def _restored(cluster: Cluster, name: str) -> tuple[str, ...]:
    """Commands that make the Secret again, from the copy that the platform keeps where there is
    one: launching a database that is there makes what it lacks."""
    copy = f"{name}-user"
    if copy not in cluster.secret_names():
        return relaunch(cluster, name)
    closed = any(policy.name == name for policy in cluster.network_policies())
    return (f"{launch(cluster, name)}{'' if closed else ' --ouvert'}",)
