"""Alice and bob play the labs on the local cluster, unfinished work first, then the solution."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import sys
import time
from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from pathlib import Path

from checks import actions
from checks.access.kubernetes_api import Api, collection
from checks.demo import backstage
from checks.demo.screen import EXPECTED, SOLVED, UNFINISHED, Screen
from checks.errors import EXIT_FAILED, EXIT_PASSED, CahierError, UsageError
from checks.facts import OWNER_BINDING
from checks.files import scratch
from checks.lab import Lab
from checks.local_sspcloud import catalogue, engine, kind, people
from checks.local_sspcloud.progress import TerminalProgress
from checks.output import marked
from checks.runner import run
from checks.sources import receipts
from checks.sources.live_cluster import LiveCluster
from checks.sources.machine import LocalMachine
from checks.stage import Person, Stage
from checks.verdict import Verdict

_UNFINISHED_SECONDS = 3.0
_SOLVED_SECONDS = 60.0
_OF_EVERYBODY = (OWNER_BINDING, "kube-root-ca.crt", receipts.NAME)  # a receipt is left as it is


def play(labs: Sequence[Lab], screen: Screen) -> int:
    """Play the labs; the exit code says whether each verdict was the expected one.

    Raises NoEngine where no cluster can be had, and CahierError where it cannot be made.
    """
    began = time.monotonic()
    # `cahier` and kubectl of this installation, for the commands that the labs show.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    if engine.first_start_seconds() > backstage.LONG_SECONDS:
        backstage.make(screen)
    admin = kind.create(TerminalProgress())
    api = Api(str(admin))
    people.ensure_people(api, admin)  # chloe too: a team has three
    names = _names(api, screen)
    try:
        right = _played(
            labs, {name: _person(api, admin, played) for name, played in names.items()}, screen
        )
    finally:
        for name, played in names.items():
            if played != name:
                people.remove_person(api, played)
    screen.end(right, len(labs), f"en {time.monotonic() - began:.0f} secondes")
    screen.console.print("\nÀ vous maintenant :")
    screen.console.print("  export KUBECONFIG=$(cahier cluster kubeconfig alice)", style="green")
    screen.console.print("  cahier commencer tp1", style="green")
    screen.console.print(
        marked(
            "[dim]Le petit SSPCloud reste allumé ; pour l’éteindre : cahier cluster supprimer[/]"
        )
    )
    return EXIT_PASSED if right == len(labs) else EXIT_FAILED


def _played(labs: Sequence[Lab], cast: Mapping[str, Person], screen: Screen) -> int:
    """Play the labs; how many had the verdicts that were expected."""
    screen.console.print(marked("\n[bold cyan]Cahier Kubernetes · la démonstration[/]"))
    screen.console.print(
        "alice et bob suivent les TP sur un vrai cluster : d’abord un travail inachevé, puis la "
        "solution."
    )
    right = 0
    try:
        for number, lab in enumerate(labs, 1):
            with _own_terminals(cast) as terminals:
                right += play_lab(lab, terminals, screen, kept=_releases(labs[number:]))
    except BaseException:
        for person in cast.values():
            _stop(_releases(labs), person)
        raise
    return right


def _names(api: Api, screen: Screen) -> Mapping[str, str]:
    """Who plays alice and bob: they themselves, or stand-ins where a learner's own work must not be
    touched."""
    cast = ("alice", "bob")
    for name in cast:
        if has_work(api, people.namespace_of(name)):
            told = (
                "[yellow]{} a déjà du travail dans son namespace : la démonstration joue avec "
                "d’autres.[/]"
            )
            screen.console.print(marked(told, name))
            return {one: f"{one}-demo" for one in cast}
    return {one: one for one in cast}


def _person(api: Api, admin: Path, name: str) -> Person:
    return Person(people.namespace_of(name), people.create_person(api, admin, name))


def has_work(api: Api, namespace: str) -> bool:
    """Whether there is anything that a new person's namespace does not hold."""
    kinds = (
        "Pod",
        "Deployment",
        "Service",
        "Secret",
        "ConfigMap",
        "NetworkPolicy",
        "Role",
        "RoleBinding",
    )
    return any(
        item["metadata"]["name"] not in _OF_EVERYBODY
        for kind in kinds
        for item in api.objects(kind, collection(kind, namespace))
    )


@contextlib.contextmanager
def _own_terminals(cast: Mapping[str, Person]) -> Iterator[Mapping[str, Person]]:
    """The same people with a copy of their kubeconfig: a lab that is cut short leaves no context
    changed."""
    with scratch() as folder:
        yield {
            name: Person(
                person.namespace, Path(shutil.copy2(person.kubeconfig, Path(folder) / name))
            )
            for name, person in cast.items()
        }


def play_lab(
    lab: Lab, cast: Mapping[str, Person], screen: Screen, kept: Collection[str] = ()
) -> bool:
    """Play a lab with alice and bob of the `cast`; whether both verdicts are the expected ones.
    Nothing is left, but the catalogue's releases that are `kept` for a lab that follows: as a
    learner keeps theirs."""
    who = lab.about.story.namespace.removeprefix("user-")
    learner, colleague = cast[who], cast["bob" if who == "alice" else "alice"]
    screen.lab(lab)
    port = _free_port(lab.about.port)
    stage = Stage(lab, learner, colleague, local_port=port, on_command=screen.command)
    try:
        if lab.about.colleague == "required":
            stage.run(lab.about.setup.colleague_commands, colleague)
        stage.run(lab.about.setup.commands)
        screen.part(UNFINISHED)
        stage.apply(lab.files("depart"))
        stage.run(lab.about.start.commands)
        before = _verdict(stage, screen, _UNFINISHED_SECONDS)
        stage.close()
        actions.clean([lab], str(learner.kubeconfig), learner.namespace, quiet=True)
        screen.part(SOLVED)
        stage.apply(lab.files("solution"))
        stage.run(lab.about.solution.commands)
        after = _verdict(stage, screen, _SOLVED_SECONDS)
        return [before.status, after.status] == list(EXPECTED.values())
    except CahierError as error:
        screen.trouble(error)
        return False
    finally:
        stage.close()
        for person in (learner, colleague):
            actions.clean([lab], str(person.kubeconfig), person.namespace, quiet=True)
            _stop(_releases([lab]) - {*kept}, person)


def _verdict(stage: Stage, screen: Screen, seconds: float) -> Verdict:
    lab = stage.lab
    colleague = (
        stage.colleague.namespace if stage.colleague and lab.about.colleague == "required" else None
    )
    cluster = LiveCluster(
        LocalMachine(),
        kubeconfig_path=str(stage.learner.kubeconfig),
        colleague=colleague,
        port=stage.local_port,
    )
    pair = f" --collegue {colleague}" if colleague else ""
    screen.command(stage.learner.namespace, f"cahier verifier {lab.short_name}{pair}")
    verdict, diagnostics = run(lab, cluster, refresh=cluster.refresh, seconds=seconds)
    screen.verdict(lab, cluster, verdict, diagnostics)
    return verdict


def _releases(labs: Sequence[Lab]) -> Set[str]:
    """The catalogue's releases that labs launch."""
    started = "\n".join(
        command
        for lab in labs
        for command in (
            *lab.about.setup.commands,
            *lab.about.setup.colleague_commands,
            *lab.about.start.commands,
            *lab.about.solution.commands,
        )
    )
    return {*re.findall(r"cahier catalogue lancer \S+ --nom (\S+)", started)}


def _stop(releases: Collection[str], person: Person) -> None:
    """Stop those that somebody has. Raises CahierError."""
    api = Api(str(person.kubeconfig))
    for release in sorted(releases):
        with contextlib.suppress(UsageError):  # there is none
            catalogue.stop(api, person.namespace, release)


def _free_port(wanted: int | None) -> int | None:
    """`wanted`, or another local port where something listens on it already."""
    if wanted is None:
        return None
    for candidate in (wanted, wanted + 10000, 0):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", candidate))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    return wanted
