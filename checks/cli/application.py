"""Assembles the commands."""

from __future__ import annotations

import logging
from typing import Annotated

import typer

from checks import __version__
from checks.cli import (
    board,
    catalogue,
    cluster,
    diagnose,
    grading,
    labs,
    path,
    play,
    snapshot,
    verify,
)
from checks.cli.french import Group
from checks.redaction import Formatter

app = typer.Typer(
    cls=Group,
    subcommand_metavar="COMMANDE …",
    options_metavar="[OPTIONS]",
    name="cahier",
    help="Travaux pratiques Kubernetes pour le SSPCloud : suivez un TP, vérifiez votre travail sur "
    "un vrai cluster.",
    no_args_is_help=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    add_completion=True,
    pretty_exceptions_enable=False,
)
app.add_typer(cluster.app, name="cluster", rich_help_panel="Petit SSPCloud local")
app.add_typer(catalogue.app, name="catalogue", rich_help_panel="Petit SSPCloud local")
app.add_typer(board.app, name="classe", rich_help_panel="Pour l’enseignant")
labs.register(app)
verify.register(app)
diagnose.register(app)
path.register(app)
play.register(app)
grading.register(app)
snapshot.register(app)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"cahier {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def start(
    context: typer.Context,
    debug: Annotated[
        bool, typer.Option("--debug", help="Montrer le détail technique des problèmes.")
    ] = False,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Afficher la version."),
    ] = False,
) -> None:
    """Prepare the logs; without a command, say where the learner is."""
    handler = logging.StreamHandler()
    handler.setFormatter(Formatter(logging.BASIC_FORMAT))
    logging.basicConfig(level=logging.DEBUG if debug else logging.CRITICAL, handlers=[handler])
    if context.invoked_subcommand is None:
        labs.where_am_i()
