"""What need not be typed again: the colleague, port and base of the last time; and a colleague who
is nobody."""

from __future__ import annotations

import contextlib
import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from checks.errors import AccessError, CahierError, UsageError
from checks.french import enumeration
from checks.shell import one_word

if TYPE_CHECKING:
    from collections.abc import Sequence

    from checks.capabilities import Cluster
    from checks.lab import Lab
    from checks.sources.live_cluster import LiveCluster
    from checks.state import LastOptions

_PREFIXES = ("user-", "projet-")


@dataclass(frozen=True)
class Options:
    """Who and where a lab is done with. `recalled`: those that were not typed, as one would type
    them."""

    colleagues: tuple[str, ...] = ()
    colleague_users: tuple[str, ...] = ()
    port: int | None = None
    database: str = ""
    recalled: str = ""
    typed: str = ""
    """Those that were, for a command to be typed next."""
    left_out: str = ""
    """What is said of colleagues who were given and are of no use, "" where each of them is."""

    @property
    def colleague(self) -> str | None:
        """The first of them: most labs are done with one."""
        return next(iter(self.colleagues), None)

    @property
    def colleague_user(self) -> str | None:
        """The user of the first, where it was given."""
        return next(iter(self.colleague_users), None)

    def kept(self, database: str) -> LastOptions:
        """What the next time may leave out. `database`: the one that was seen, "" for none."""
        from checks.state import LastOptions

        return LastOptions(self.colleagues, self.colleague_users, self.port or 0, database)

    def tell(self) -> None:
        """Say, beside what the command answers, what was not typed, and how to change it; and who
        was typed in vain."""
        from checks.output import output

        if self.left_out:
            output(stderr=True).print(self.left_out, style="yellow", soft_wrap=True)
        if self.recalled:
            words = f"Comme la dernière fois : {self.recalled}   (pour en changer, donnez l’option)"
            output(stderr=True).print(words, style="dim", soft_wrap=True)


def options(
    lab: Lab,
    kubeconfig: str | None,
    namespace: str | None,
    colleagues: Sequence[str] | None,
    colleague_users: Sequence[str] | None = None,
    port: int | None = None,
    database: str | None = None,
) -> Options:
    """The options given, and where one is missing, that of the last time in this namespace.

    `database` None: the command has no such option.
    """
    from checks import state

    last = state.last_options(place_of(kubeconfig, namespace), lab.name)
    with_whom, users = tuple(colleagues or ()), tuple(colleague_users or ())
    left_out = ""
    if len(with_whom) > 1 and lab.about.colleague == "required" and not lab.about.team:
        (first, *others), users = with_whom, users[:1]
        with_whom = (first,)
        left_out = (
            f"{lab.title} se fait avec un seul collègue : {first}, le premier donné ; "
            f"{enumeration(others)} n’y {'servent' if len(others) > 1 else 'sert'} pas."
        )
    typed = _words(with_whom, users, port)
    typed += _words_of(("--namespace", namespace), ("--kubeconfig", kubeconfig))
    recalled = []
    if not with_whom and lab.about.colleague == "required" and last.colleagues:
        with_whom = last.colleagues
        recalled.append(_words(with_whom, () if users else last.colleague_users, None))
        users = users or last.colleague_users
    if port is None and lab.about.port is not None and last.port not in (0, lab.about.port):
        port = last.port
        recalled.append(_words((), (), port))
    if (
        database == ""
        and last.database not in ("", lab.about.story.database)
        and with_whom[:1] == last.colleagues[:1]
    ):
        database = last.database
        recalled.append(_words_of(("--base", database)))
    recall = "".join(recalled).strip()
    return Options(with_whom, users, port, database or "", recall, typed, left_out)


def base_of(lab: Lab, cluster: Cluster) -> str:
    """The release of the base that a lab is done with: the learner's own, or the one that their
    pods lead to; "" where there is none, or where the cluster does not tell."""
    story = lab.about.story.database
    with contextlib.suppress(CahierError):
        if any(
            story in command
            for command in (*lab.about.setup.commands, *lab.about.solution.commands)
        ):
            from checks.diagnosis.databases.catalogue import databases

            return next((one.release for one in databases(cluster)), "")
        if any(story in command for command in lab.about.setup.colleague_commands):
            from checks.diagnosis.databases.catalogue import release_of_service
            from checks.diagnosis.databases.relay_manifest import targets

            aimed = [target for pod in cluster.pods() for target in targets(cluster, pod)]
            theirs = [
                one
                for one in aimed
                if one.namespace(cluster.namespace) == cluster.colleague.namespace
            ]
            return next(
                filter(None, (release_of_service(one.host.partition(".")[0]) for one in theirs)), ""
            )
    return ""


def place_of(kubeconfig: str | None, namespace: str | None) -> str:
    """Where progress is remembered for; "" without configuration."""
    from checks import state
    from checks.access import kubeconfig as configuration

    try:
        credentials = configuration.read(kubeconfig)
    except AccessError:  # told by whoever needs the cluster
        return ""
    return state.place_at(credentials.server, namespace or credentials.namespace)


def _words(colleagues: Sequence[str], users: Sequence[str], port: int | None) -> str:
    return _words_of(
        *(("--collegue", one) for one in colleagues),
        *(("--utilisateur-collegue", one) for one in users),
        ("--port", port),
    )


def _words_of(*pairs: tuple[str, object]) -> str:
    return "".join(f" {option} {one_word(str(value))}" for option, value in pairs if value)


def require_somebody(lab: Lab, cluster: LiveCluster, given: Options) -> None:
    """Raises UsageError where the lab lacks a colleague, or where the namespace of one does not
    exist, as far as can be told."""
    if lab.about.colleague == "required":
        _ = cluster.colleague
    for name in given.colleagues:
        exists = cluster.exists(name)
        of_the_platform = not cluster.namespace.startswith(_PREFIXES) or name.startswith(_PREFIXES)
        if exists is False or (exists is None and not of_the_platform):
            why = (
                "n’existe pas sur ce cluster"
                if exists is False
                else "n’a pas la forme de ceux de la plateforme"
            )
            raise UsageError(
                f"Le namespace « {name} », donné à --collegue, {why}.", _guess(cluster, name)
            )


def _guess(cluster: LiveCluster, name: str) -> str:
    word = name.lower().removeprefix("oidc-")
    known = cluster.outsiders()
    own = next((prefix for prefix in _PREFIXES if cluster.namespace.startswith(prefix)), "")
    likely = word if word.startswith(_PREFIXES) else own + word
    if known and likely not in known:
        likely = next(iter(difflib.get_close_matches(likely, known, 1, 0.7)), "")
    ask = "Demandez-lui ce que répond chez elle « kubectl config view --minify », ligne namespace."
    return f"Vouliez-vous dire --collegue {likely} ?" if likely and likely != name else ask
