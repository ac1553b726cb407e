"""Typer's own words of a help page, in French."""

from __future__ import annotations

import sys
from copy import copy
from types import ModuleType
from typing import Any

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup

from checks import kernel

_HELP = "Montrer cette aide."
_WORDS = {
    "ARGUMENTS_PANEL_TITLE": "Arguments",
    "OPTIONS_PANEL_TITLE": "Options",
    "COMMANDS_PANEL_TITLE": "Commandes",
    "DEFAULT_STRING": "[par défaut : {}]",
    "REQUIRED_LONG_STRING": "[obligatoire]",
}
_COMPLETION = {
    "install_completion": "Installer la complétion pour votre shell.",
    "show_completion": "Afficher la complétion, pour l’installer vous-même.",
}


_OFF = {"rich.markdown": "Markdown", "rich.traceback": "Traceback"}
"""What Typer draws help in Markdown and tracebacks with: neither is on (see `application`)."""


def drawing() -> ModuleType:
    """The module of Typer that draws help pages, loaded without what is off: it would take longer
    to load than all the rest of a command."""
    absent = [name for name in _OFF if name not in sys.modules]
    for name in absent:
        sys.modules[name] = ModuleType(name)
        setattr(sys.modules[name], _OFF[name], type(_OFF[name], (), {}))
    try:
        from typer import rich_utils
    finally:
        for name in absent:
            del sys.modules[name]
    return rich_utils


def _translate(command: TyperCommand | TyperGroup, context: typer.Context) -> None:
    """Only when a page is shown: the module that holds the words is slow to load."""
    rich_utils = drawing()
    for name, words in _WORDS.items():
        setattr(rich_utils, name, words)
    if kernel.reads():
        setattr(rich_utils, "FORCE_TERMINAL", False)  # noqa: B010 (a module that has no type)
    option = command.get_help_option(context)
    if option is not None:
        option.help = _HELP
    for parameter in command.params:
        if parameter.name in _COMPLETION and hasattr(parameter, "help"):
            parameter.help = _COMPLETION[parameter.name]
        if isinstance(parameter, TyperArgument):
            parameter.type = copy(parameter.type)  # all arguments share it
            vars(parameter.type).update(get_metavar=_no_type)  # <str>
    # a paragraph of the docstring is one for the terminal, whatever lines it was written on
    if command.help:
        command.help = "\n\n".join(" ".join(words.split()) for words in command.help.split("\n\n"))


def _no_type(**_context: object) -> str:
    return ""


class Command(TyperCommand):
    """A command whose help is French throughout."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help page."""
        _translate(self, ctx)
        super().format_help(ctx, formatter)


class Group(TyperGroup):
    """A family of commands whose help is French throughout."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help page."""
        _translate(self, ctx)
        super().format_help(ctx, formatter)
