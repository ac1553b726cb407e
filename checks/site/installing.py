"""What a page says of the installation, and the links at the top of a lab's page: both need the
address of the repository."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from checks.installation import DISTRIBUTION
from checks.lab import Lab
from checks.site import address, onyxia
from checks.site.onyxia import Link

_LAUNCHED = re.compile(r"cahier catalogue lancer postgresql.*", re.MULTILINE)


def installing(extra: str = "") -> str:
    """The commands that install the workbook, with one of its extras."""
    repository = address.repository()
    if not repository:
        local = f".[{extra}]" if extra else "."
        return "\n".join(
            [
                "Cette copie du site ne connaît pas l’adresse du dépôt : demandez-la à la personne "
                "qui vous a donné le cahier, et faites-en une copie (`git clone`). Dans son "
                "dossier :",
                "",
                *_block(f'uv tool install "{local}"', "cahier"),
            ]
        )
    source = f"git+{repository}"
    wanted = f"{DISTRIBUTION}[{extra}] @ {source}" if extra else source
    return "\n".join(_block(f'uv tool install "{wanted}"', "cahier"))


def cloning() -> str:
    """The commands that copy the repository and enter it."""
    repository = address.repository()
    if repository:
        return "\n".join(
            _block(f"git clone {repository} cahier-kubernetes", "cd cahier-kubernetes")
        )
    return (
        "Cette copie du site ne connaît pas l’adresse du dépôt : demandez-la à la personne qui "
        "vous a donné le cahier, et faites-en une copie (`git clone`)."
    )


def doors(lab: Lab) -> str:
    """Links that open the lab on the platform, and those that launch a base as its page does."""
    instance, repository = address.onyxia(), address.repository()
    lines = [_buttons("Ouvrir dans le SSPCloud", onyxia.editors(instance, repository, lab))]
    if not repository:
        lines.append(
            "L’adresse du dépôt n’étant pas connue de cette copie du site, il reste à y "
            "[installer le cahier](../../premiers-pas/vscode.md#installer-la-commande-cahier)."
        )
    used = _LAUNCHED.findall(lab.page.read_text(encoding="utf-8"))
    wanted = {"--ouvert" in command for command in used}
    bases = [link for link in onyxia.databases(instance) if (link.text == "ouverte") in wanted]
    if bases:
        lines.append(_buttons("Lancer la base", bases))
    return "\n\n".join(lines)


def platform() -> str:
    """The same links without any lab, and what they prepare."""
    repository = address.repository()
    lines = [
        "Ces liens, comme ceux des pages des TP, ouvrent le formulaire rempli, rôle compris ; "
        "relisez-le, puis lancez. Rien ne se lance sans vous : le service aura tous les droits "
        "dans votre namespace.",
        _buttons("Ouvrir dans le SSPCloud", onyxia.editors(address.onyxia(), repository)),
    ]
    if repository:
        script = address.raw(repository, onyxia.INIT_SCRIPT)
        lines.append(
            f"À son démarrage, le service exécute [ce script]({script}), qui installe le cahier. "
            "Ouvert depuis la page d’un TP, il en prépare aussi le dossier : les fichiers de "
            "départ, l’énoncé, et deux tâches de VSCode, « Vérifier » et « Indice ». Ce qui a été "
            "fait est écrit dans `cahier-installation.log`."
        )
    return "\n\n".join(lines)


def _buttons(said: str, links: Sequence[Link]) -> str:
    shown = "{ .md-button .door }"
    return "\n".join(f"[{said} : {link.text}]({link.address}){shown}" for link in links)


def _block(*commands: str) -> Iterator[str]:
    yield from ("```bash", *commands, "```")
