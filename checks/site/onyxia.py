"""Links that open a service of Onyxia, its form filled in.

Their grammar is that of Onyxia's web client 5.5 (`/launcher/CATALOGUE/CHART?KEY=VALUE&…`): one `=`
in each pair, a key with a dot is a path in the chart's values, a text is between guillemets. The
version of the chart and S3 are left to the platform, whose own they follow. `autoLaunch=false`: a
link that launched by itself would run somebody's script with rights over a namespace before anybody
had looked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from checks.lab import Lab
from checks.site import address

INIT_SCRIPT = "onyxia/init.sh"
_EDITORS = (("VSCode", "ide/vscode-python"), ("JupyterLab", "ide/jupyter-python"))
_DATABASE = "databases/postgresql-cnpg"


@dataclass(frozen=True)
class Link:
    """What a link is called, and where it leads."""

    text: str
    address: str


def editors(instance: str, repository: str, lab: Lab | None = None) -> Sequence[Link]:
    """A link for each place of work, which installs the workbook and begins `lab`.

    `repository` "": the service has the right role, and the workbook is to be installed.
    """
    name = f"Cahier {lab.short_name.upper()}" if lab else "Cahier"
    values: dict[str, str | bool] = {"kubernetes.enabled": True, "kubernetes.role": "admin"}
    if repository:
        words = (lab.short_name, repository) if lab else ("cahier", repository)
        values["init.personalInit"] = address.raw(repository, INIT_SCRIPT)
        values["init.personalInitArgs"] = " ".join(words)
    return [Link(editor, launch(instance, chart, name, values)) for editor, chart in _EDITORS]


def databases(instance: str) -> Sequence[Link]:
    """A link for each way in which the catalogue's PostgreSQL is launched."""
    return [
        Link(
            text,
            launch(instance, _DATABASE, "Base du cahier", {"security.networkPolicy.enabled": shut}),
        )
        for text, shut in (("fermée", True), ("ouverte", False))
    ]


def launch(instance: str, chart: str, name: str, values: Mapping[str, str | bool]) -> str:
    """The address of a form, filled in. No value may hold the closing guillemet."""
    pairs = [("name", quote(name, safe=""))]
    pairs += [(key, _written(value)) for key, value in values.items()]
    pairs.append(("autoLaunch", "false"))
    return f"{instance}/launcher/{chart}?" + "&".join(f"{key}={value}" for key, value in pairs)


def _written(value: str | bool) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    assert "»" not in value
    return quote(f"«{value}»", safe="")
