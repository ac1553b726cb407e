"""Assembles the commands."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Collection
from copy import copy
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


def named_by(words: Collection[str]) -> typer.Typer:
    """The application for a command line of these words.

    A command that none of them names is there with its place on the help page alone: Typer takes
    longer to describe the options of all of them than most take to answer.
    """
    return _with_options_of(app, words)


def _with_options_of(whole: typer.Typer, words: Collection[str]) -> typer.Typer:
    part = copy(whole)
    part.registered_commands, part.registered_groups = [], []
    for command in whole.registered_commands:
        if command.name not in words:
            command = copy(command)
            command.help = command.help or inspect.getdoc(command.callback)
            command.callback = _unnamed
        part.registered_commands.append(command)
    for group in whole.registered_groups:
        family = group.typer_instance
        if group.name not in words and family is not None:
            group = copy(group)
            group.typer_instance = copy(family)
            group.typer_instance.registered_commands = []
        elif family is not None:
            group = copy(group)
            group.typer_instance = _with_options_of(family, words)
        part.registered_groups.append(group)
    return part


def _unnamed() -> None:
    """Stands for a command that is not run."""
    raise AssertionError


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
