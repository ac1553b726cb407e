"""How this workbook was installed, and the commands that give it what it lacks."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Sequence
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from checks.errors import CahierError

DISTRIBUTION = "cahier-kubernetes"
IN_CHECKOUT = "make setup"
_EXTRAS = {
    "enseignant": "noter une classe",
    "local": "faire le petit SSPCloud sur ce poste",
    "moodle": "envoyer des notes à Moodle",
}
"""What each extra of the distribution is for."""
_NAME = re.compile(r"[\w.-]+")
_EXTRA = re.compile(r"extra\s*==\s*['\"]([\w-]+)")


class MissingExtra(CahierError):
    """This installation lacks what only some commands need."""


def need(extra: str) -> None:
    """Raises MissingExtra where an extra is not installed."""
    missing = [name for name in names(extra) if not _installed(name)]
    if missing:
        raise MissingExtra(
            f"Cette installation du cahier n’a pas de quoi {_EXTRAS[extra]} : il lui manque "
            f"{', '.join(missing)}.",
            f"Pour l’ajouter : {completing(extra)}",
        )


def remedy(module: str) -> str:
    """What gives this installation a Python module that it lacks, as a sentence."""
    extra = next((extra for extra in _EXTRAS if module in names(extra)), "")
    if extra:
        return f"Il sert à {_EXTRAS[extra]}. Pour l’ajouter : {completing(extra)}"
    if in_checkout():
        return f"Refaites-la : {IN_CHECKOUT}, dans la copie du dépôt."
    return f"Refaites-la : {again()}"


def missing() -> Sequence[str]:
    """Names of the distributions that every command needs and that are not there."""
    return [name for name in (DISTRIBUTION, *names("")) if not _installed(name)]


def documentation() -> str:
    """The address of the site, with a slash at its end; "" where this installation knows none."""
    if not _installed(DISTRIBUTION):
        return ""
    said = metadata.metadata(DISTRIBUTION).get_all("Project-URL") or ()
    told = (line.partition(", ") for line in said)
    return next((address for name, _, address in told if name == "Documentation"), "")


def in_checkout() -> bool:
    """Whether this is a copy of the repository: a wheel carries the labs in its own package."""
    return not (Path(__file__).parent / "_labs").is_dir()


def names(extra: str) -> Sequence[str]:
    """Distributions that an extra asks for, or what everybody needs for ""."""
    return [name for name, _need in _required(extra)]


def completing(extra: str) -> str:
    """The command that adds an extra to this installation."""
    if in_checkout():
        return IN_CHECKOUT
    if _is_tool_of_uv():
        return f'uv tool install --force "{_source(extra)}"'
    if _is_passing():
        return f'uvx --from "{_source(extra)}" cahier …'
    wanted = " ".join(f'"{need}"' for _name, need in _required(extra))
    if _is_of_pipx():
        return f"pipx inject {DISTRIBUTION} {wanted}"
    return f"{_installer()} {wanted}"


def again() -> str:
    """The command that installs the workbook anew where it is."""
    if in_checkout():
        return IN_CHECKOUT
    if _is_tool_of_uv():
        return f"uv tool upgrade --reinstall {DISTRIBUTION}"
    if _is_of_pipx():
        return f"pipx reinstall {DISTRIBUTION}"
    return f'{_installer()} --force-reinstall "{_source()}"'


def _required(extra: str) -> Iterator[tuple[str, str]]:
    """Name and requirement of each distribution that an extra asks for."""
    if not _installed(DISTRIBUTION):  # files that no installer has put there
        return
    for line in metadata.requires(DISTRIBUTION) or ():
        wanted, _, marker = line.partition(";")
        name, of_extra = _NAME.match(wanted), _EXTRA.search(marker)
        if name is not None and (of_extra[1] if of_extra else "") == extra:
            yield name[0], wanted.strip()


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def _source(extra: str = "") -> str:
    """This distribution as an installer takes it, from where it came (PEP 610)."""
    wanted = DISTRIBUTION + (f"[{extra}]" if extra else "")
    said = metadata.distribution(DISTRIBUTION).read_text("direct_url.json")
    if said is None:
        return wanted
    origin = json.loads(said)
    version_control = origin.get("vcs_info")
    if version_control is None:
        return f"{wanted} @ {origin['url']}"
    revision = version_control.get("requested_revision")
    address = f"{version_control['vcs']}+{origin['url']}"
    return f"{wanted} @ {address}" + (f"@{revision}" if revision else "")


def _is_tool_of_uv() -> bool:
    return Path(sys.prefix, "uv-receipt.toml").is_file()


def _is_of_pipx() -> bool:
    return Path(sys.prefix, "pipx_metadata.json").is_file()


def _is_passing() -> bool:
    """Whether this environment is in a cache (https://bford.info/cachedir/), as that of `uvx` is: a
    change would not last."""
    return any((folder / "CACHEDIR.TAG").is_file() for folder in Path(sys.prefix).parents)


def _installer() -> str:
    """The beginning of the command that installs in this environment."""
    if find_spec("pip") is not None:
        return f'"{sys.executable}" -m pip install'
    return f'uv pip install --python "{sys.executable}"'
