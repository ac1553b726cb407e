"""Parts of the site's pages that are derived from the labs: Markdown, evaluated when the site is
built.

Its links are those of the built site: the builder does not follow them, a test does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape

import yaml

from checks.french import number
from checks.lab import Lab, all_labs, find_lab, statement
from checks.local_sspcloud import messages, services
from checks.registries import REGISTRY
from checks.sources import probes

NODE_IMAGE = "kindest/node:v1.37.0"  # what kind 0.33.0 takes of itself
_COMMAND_IMAGE = re.compile(r"--image=(\S+:\S+)")
_ADDRESS = re.compile(r"(https://[^\s,;»()]*[^\s,;»().:])")
_CODE = re.compile(  # commands, files, variables and options within a sentence
    r"((?<![\w/.:-])(?:(?:sudo|wsl|cahier "
    r"cluster|docker|podman|colima|systemctl|containerd-rootless-setuptool\.sh|"
    r"export|kind load|net st\w+)(?: [^\s,;»()]*[^\s,;»().:])+|"
    r"(?<![\w/.:-])[~/][\w.@-]*/[\w./@-]*\w|[A-Z]+_[A-Z_]+|--image|\[Service\]))"
)
_ENTRY = re.compile(r"^\*\[(.+?)\]: (.+)$", re.MULTILINE)
_PLATFORM_SERVICE = (
    "service (du SSPCloud)",
    "Ce que la plateforme lance pour vous dans votre namespace : un VSCode, une base. "
    "Ce n’est pas un Service de Kubernetes, même s’il en contient un.",
)
_IDEAS = {
    "pod": "pod",
    "conteneur": "pod",
    "sonde": "pod",
    "tunnel": "tunnel",
    "Service": "service-et-dns",
    "EndpointSlice": "service-et-dns",
    "DNS": "service-et-dns",
    "NetworkPolicy": "networkpolicy",
    "RBAC": "rbac",
    "Role": "rbac",
    "RoleBinding": "rbac",
    "Deployment": "deployment",
    "ReplicaSet": "deployment",
}
"""Words of the glossary that a page of `docs/idees` is about."""
_COMPANY = {"required": "**À deux**", "optional": "**Seul**, ou à deux", "none": "**Seul**"}


def opening(name: str) -> str:
    """What the lab `name` teaches, how long it takes and what it asks for: an admonition."""
    about = find_lab(name).about
    lines = ['!!! abstract "Ce que vous saurez faire"']
    lines += [f"    - {_sentence(objective)}" for objective in about.objectives]
    needed = [find_lab(before) for before in about.prerequisites]
    before = ", ".join(f"[{_label(lab)}](../../{lab.name}/enonce/)" for lab in needed)
    company = _COMPANY[about.colleague] + (f" : {about.roles}." if about.roles else ".")
    lines += ["", f"    **Durée** : {about.duration_minutes} minutes. {company}"]
    lines += ["", f"    **Il faut avoir fait** : {before}."] if before else []
    lines += (
        ["", f"    **Ce n’en est pas le sujet** : {' ; '.join(about.out_of_scope)}."]
        if about.out_of_scope
        else []
    )
    notebook = f"{find_lab(name).name}.ipynb"
    lines += [
        "",
        "    **Aussi en carnet Jupyter**, pour le noyau Bash : "
        f"[{notebook}](../../../notebooks/{notebook})",
    ]
    return "\n".join(lines)


def success_criteria(name: str) -> str:
    """The sentences that the checker proves, one a line, with their points."""
    lab = find_lab(name)
    total = number(sum(check.points for check in lab.checks))
    lines = [
        f'!!! success "Le TP est réussi quand chacune de ces {len(lab.checks)} phrases est vraie"'
    ]
    lines += [f"    - {check.title} *({_points(check.points)})*" for check in lab.checks]
    lines += ["", f"    En tout, {total} points."]
    return "\n".join(lines)


def cards() -> str:
    """The labs, as HTML: title with a link from the site's root, duration, what is learned."""
    return "\n".join(['<ul class="cards">', *map(_card, all_labs()), "</ul>"])


def _card(lab: Lab) -> str:
    about = lab.about
    company = {"required": "à deux", "optional": "seul, ou à deux", "none": "seul"}[about.colleague]
    learned = "".join(f"<li>{escape(_sentence(one))}</li>" for one in about.objectives)
    return (
        f'<li><h3><a href="{statement(lab.name)}"><span>{_label(lab)}</span> '
        f"{escape(about.title)}</a></h3>"
        f"<p>{about.duration_minutes} min, {company}</p><ul>{learned}</ul></li>"
    )


def whole_duration() -> str:
    """How many labs, and how long they take: « 8 TP, 4 h 40 »."""
    labs = all_labs()
    hours, minutes = divmod(sum(lab.about.duration_minutes for lab in labs), 60)
    return f"{len(labs)} TP, {hours} h {minutes:02}"


def glossary(entries: str) -> str:
    """The entries of the glossary (`*[WORD]: MEANING`), as HTML: each has its place, and leads to
    the page of its idea."""
    told = [found.groups() for found in _ENTRY.finditer(entries)]
    told.append(_PLATFORM_SERVICE)
    lines = ["<dl>"]
    for word, meaning in sorted(told, key=lambda entry: entry[0].lower()):
        page = _IDEAS.get(word)
        more = f' <a href="../idees/{page}/">Voir cette idée</a>.' if page else ""
        lines.append(f'<dt id="{_slug(word)}">{escape(word)}</dt><dd>{escape(meaning)}{more}</dd>')
    return "\n".join([*lines, "</dl>"])


def _slug(word: str) -> str:
    return re.sub(r"\W+", "-", word.lower())


def images() -> str:
    """Table of every image that a local cluster pulls, and what it is for."""
    rows = {NODE_IMAGE: "le nœud, avec kind 0.33.0", **_lab_images()}
    return "\n".join(
        [
            "| image | pour |",
            "|---|---|",
            *(f"| `{image}` | {use} |" for image, use in rows.items()),
        ]
    )


def carrying() -> str:
    """The commands that put these images into two files."""
    pulls = [f"docker pull {image}" for image in (NODE_IMAGE, *_lab_images())]
    saves = [
        f"docker save -o noeud.tar {NODE_IMAGE}",
        f"docker save -o tp.tar {' '.join(_lab_images())}",
    ]
    return "\n".join(["```bash", *pulls, *saves, "```"])


def _lab_images() -> Mapping[str, str]:
    """Every image of the labs' solutions and commands, of the catalogue and of the checks, and what
    it is for."""
    uses: dict[str, list[str]] = {}
    for lab in all_labs():
        manifests = [yaml.safe_load_all(text) for text in lab.files("solution").values()]
        named = {image for manifest in manifests for image in _images_in(list(manifest))}
        for image in named.union(_COMMAND_IMAGE.findall(lab.page.read_text(encoding="utf-8"))):
            uses.setdefault(image, []).append(_label(lab))
    uses.setdefault(services.find("postgresql").image, []).append("les bases du catalogue")
    uses.setdefault(probes.IMAGE, []).append("les vérifications")
    return {image: ", ".join(uses[image]) for image in sorted(uses)}


def _images_in(value: object) -> Sequence[str]:
    if isinstance(value, list):
        return [image for item in value for image in _images_in(item)]
    if not isinstance(value, dict):
        return []
    own = [box["image"] for box in value.get("containers") or ()]
    return own + [image for item in value.values() for image in _images_in(item)]


def engine_messages(table: Sequence[messages.Row]) -> str:
    """Table of what a learner is told when the engine or kind fails, as it is for Docker under
    Linux."""
    return _remedies([(row.message, row.remedy) for row in table])


def image_messages(of_pods: bool) -> str:
    """Table of what a learner is told when an image cannot be had, for the node or for a pod."""
    return _remedies([(row.cause, f"{row.pod}." if of_pods else row.node) for row in REGISTRY])


def _remedies(rows: Sequence[tuple[str, str]]) -> str:
    named = {
        "engine": "Docker",
        "program": "docker",
        "said": "…",
        "start": "sudo systemctl start docker",
    }
    named["rights"] = (
        "Exécutez « sudo usermod -aG docker $USER », fermez votre session et rouvrez-la"
    )
    lines = ["| ce que vous lisez | le remède |", "|---|---|"]
    for row in rows:
        told = [_CODE.sub(r"`\1`", _ADDRESS.sub(r"<\1>", cell.format(**named))) for cell in row]
        lines.append(
            "| " + " | ".join(re.sub(r"« (`[^`]*`) »", r"\1", cell) for cell in told) + " |"
        )
    return "\n".join(lines)


def _label(lab: Lab) -> str:
    return f"TP {lab.short_name.removeprefix('tp')}"


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:].removesuffix(".") + "."


def _points(points: float) -> str:
    return f"{number(points)} point{'s' if points >= 2 else ''}"
