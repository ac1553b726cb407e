"""`cahier demo`: alice and bob play the labs on the local cluster, unfinished work first, then the solution."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from checks import actions
from checks.errors import EXIT_FAILED, EXIT_PASSED, CahierError
from checks.kubernetes_api import Api, LiveCluster
from checks.lab import Lab, all_labs
from checks.local_cluster import kind, people
from checks.local_cluster.progress import TerminalProgress
from checks.machine import LocalMachine
from checks.render.terminal import show
from checks.runner import run
from checks.stage import Person, Stage
from checks.verdict import Status, Verdict

_UNFINISHED_SECONDS = 3.0
_SOLVED_SECONDS = 60.0
_console = Console(highlight=False)


def play() -> int:
    """Play every lab; the exit code says whether each verdict was the expected one."""
    began = time.monotonic()
    # `cahier` and kubectl of this installation, for the commands that the labs show.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    admin = kind.create(TerminalProgress())
    api = Api(str(admin))
    people.ensure_people(api, admin)  # chloe too: a team has three
    cast = _cast(api, admin)
    _console.print("\n[bold cyan]Cahier Kubernetes · la démonstration[/]")
    _console.print("alice et bob suivent les TP sur un vrai cluster : d’abord un travail inachevé, puis la solution.")
    right = 0
    labs = all_labs()
    for lab in labs:
        right += _play_lab(lab, cast)
    _console.print()
    _console.rule(style="cyan")
    seconds = time.monotonic() - began
    _console.print(f"[bold]{right} TP sur {len(labs)}[/] : inachevé, puis réussi, en {seconds:.0f} secondes.")
    _console.print("\nÀ vous maintenant :")
    _console.print("  export KUBECONFIG=$(cahier cluster kubeconfig alice)", style="green")
    _console.print("  cahier commencer tp1", style="green")
    _console.print("[dim]Le petit SSPCloud reste allumé ; pour l’éteindre : cahier cluster supprimer[/]")
    return EXIT_PASSED if right == len(labs) else EXIT_FAILED


def _cast(api: Api, admin: Path) -> dict[str, Person]:
    """Alice and bob, or stand-ins where a learner's own work must not be touched."""
    names = ["alice", "bob"]
    for name in names:
        pods = api.request("GET", f"/api/v1/namespaces/{people.namespace_of(name)}/pods").get("items")
        if pods:
            _console.print(f"[yellow]{name} a déjà des pods : la démonstration joue avec d’autres personnes.[/]")
            names = ["alice-demo", "bob-demo"]
            break
    return {
        name.removesuffix("-demo"): Person(people.namespace_of(name), people.create_person(api, admin, name))
        for name in names
    }


def _play_lab(lab: Lab, cast: dict[str, Person]) -> bool:
    who = lab.about.story.namespace.removeprefix("user-")
    learner, colleague = cast[who], cast["bob" if who == "alice" else "alice"]
    _console.print()
    _console.rule(f"[bold cyan]{lab.short_name.upper()} · {lab.about.title}[/]", style="cyan")
    port = _free_port(lab.about.port)
    stage = Stage(lab, learner, colleague, local_port=port, on_command=_show_command)
    try:
        if lab.about.colleague == "required":
            stage.run(lab.about.setup.colleague_commands, colleague)
        stage.run(lab.about.setup.commands)
        _console.print("\n[bold]Un travail inachevé[/]")
        stage.apply(lab.files("depart"))
        stage.run(lab.about.start.commands)
        before = _verdict(stage, _UNFINISHED_SECONDS)
        stage.close()
        actions.clean([lab], str(learner.kubeconfig), learner.namespace, quiet=True)
        _console.print("\n[bold]La solution[/]")
        stage.apply(lab.files("solution"))
        stage.run(lab.about.solution.commands)
        after = _verdict(stage, _SOLVED_SECONDS)
        return before.status is Status.FAILED and after.status is Status.PASSED
    except CahierError as error:
        _console.print(f"[bold red]✘[/] {error.message}", soft_wrap=True)
        return False
    finally:
        stage.close()
        _leave_clean(stage, colleague)


def _verdict(stage: Stage, seconds: float) -> Verdict:
    lab = stage.lab
    colleague = stage.colleague.namespace if stage.colleague and lab.about.colleague != "none" else None
    cluster = LiveCluster(
        LocalMachine(),
        kubeconfig_path=str(stage.learner.kubeconfig),
        colleague=colleague,
        port=stage.local_port,
    )
    pair = f" --collegue {colleague}" if lab.about.colleague == "required" else ""
    _show_command(stage.learner.namespace, f"cahier verifier {lab.short_name}{pair}")
    verdict, diagnostics = run(lab, cluster, refresh=cluster.refresh, seconds=seconds)
    show(_console, lab, verdict, diagnostics)
    return verdict


def _leave_clean(stage: Stage, colleague: Person) -> None:
    """Take away what the lab made, the colleague's part too."""
    for person in (stage.learner, colleague):
        actions.clean([stage.lab], str(person.kubeconfig), person.namespace, quiet=True)
        stage.run(_stops(stage.lab), person)


def _stops(lab: Lab) -> Sequence[str]:
    """Commands that end the catalogue's releases a lab starts."""
    started = " ".join(
        (
            *lab.about.setup.commands,
            *lab.about.setup.colleague_commands,
            *lab.about.start.commands,
            *lab.about.solution.commands,
        )
    )
    database = lab.about.story.database
    return (f"cahier catalogue arreter {database} || true",) if f"--nom {database}" in started else ()


def _show_command(namespace: str, command: str) -> None:
    _console.print(f"[dim]{namespace.removeprefix('user-')} $[/] {command}", soft_wrap=True)


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
