"""`cahier diagnostiquer`: what is wrong with an installation or an access, and the remedy."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator
from typing import Annotated

import typer

from checks.cli.french import Command
from checks.cli.options import Kubeconfig, Namespace

_QUIET_SECONDS = 2.0  # what is done sooner needs no progress
_ESTIMATE = 10.0
_ESTIMATE_WITH_PODS = 40.0


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("diagnostiquer", cls=Command, rich_help_panel="Pendant un TP")(diagnose)


def diagnose(
    with_policies: Annotated[
        bool,
        typer.Option(
            "--reseau",
            help="Essayer aussi si le cluster applique les NetworkPolicies (place quelques pods).",
        ),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Écrire le diagnostic en JSON (schéma 1).")
    ] = False,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Diagnostiquer votre installation et votre accès : ce qui ne va pas, et comment y remédier.

    Code de sortie : 0 tout est en ordre · 1 quelque chose ne va pas · 2 mauvaise utilisation · 3
    rien de faux, mais quelque chose n’a pas pu être décidé.

    Exemples : cahier diagnostiquer · cahier diagnostiquer --reseau
    """
    from checks.doctor.examination import Examination
    from checks.doctor.lines import to_json
    from checks.output import output
    from checks.render.doctor import show

    estimate = _ESTIMATE_WITH_PODS if with_policies else _ESTIMATE
    with _progress_when_slow(estimate):
        found = Examination(kubeconfig, namespace, with_policies).run()
    if as_json:
        sys.stdout.write(to_json(found) + "\n")
    else:
        show(output(), found)
    raise typer.Exit(found.exit_code)


@contextlib.contextmanager
def _progress_when_slow(estimate_seconds: float) -> Iterator[None]:
    """Show on standard error what lasts more than two seconds."""
    from checks.local_sspcloud.progress import TerminalProgress

    changing, shown = threading.Lock(), contextlib.ExitStack()
    over = False

    def show() -> None:
        with changing:
            if not over:
                shown.enter_context(
                    TerminalProgress()("Diagnostic : poste, réseau, cluster", estimate_seconds)
                )

    timer = threading.Timer(_QUIET_SECONDS, show)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        with changing:
            over = True
        shown.close()
