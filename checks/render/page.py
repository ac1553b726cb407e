"""Parts of the site's pages that are derived from the labs: Markdown, evaluated when the site is built.

Its links are those of the built site: the builder does not follow them, a test does.
"""

from __future__ import annotations

from collections.abc import Iterator

from checks.lab import Lab, all_labs, find_lab
from checks.render.terminal import number

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
    notebook = f"{find_lab(name).name}.ipynb"
    lines += ["", f"    **Aussi en carnet Jupyter**, pour le noyau Bash : [{notebook}](../../../notebooks/{notebook})"]
    return "\n".join(lines)


def success_criteria(name: str) -> str:
    """The sentences that the checker proves, one a line, with their points."""
    lab = find_lab(name)
    total = number(sum(check.points for check in lab.checks))
    lines = [f'!!! success "Le TP est réussi quand chacune de ces {len(lab.checks)} phrases est vraie"']
    lines += [f"    - {check.title} *({_points(check.points)})*" for check in lab.checks]
    lines += ["", f"    En tout, {total} points."]
    return "\n".join(lines)


def list_of_labs() -> str:
    """Table of the labs: title with a link from the site's root, what is learned, duration."""
    lines = ["| TP | on y apprend | durée |", "|---|---|---|"]
    for lab in all_labs():
        link = f"[{_label(lab)} · {lab.about.title}](labs/{lab.name}/enonce/)"
        pair = ", à deux" if lab.about.colleague == "required" else ""
        lines.append(f"| {link} | {lab.about.summary} | {lab.about.duration_minutes} min{pair} |")
    return "\n".join(lines)


def troubles() -> str:
    """Every typical mistake of the corpus with its reviewed lesson (`constat.md`), by lab and by sentence."""
    return "\n".join(line for lab in all_labs() for line in _troubles(lab))


def _troubles(lab: Lab) -> Iterator[str]:
    yield f"## {_label(lab)} · {lab.about.title}"
    yield ""
    mistakes = lab.cases("erreurs")
    for check in lab.checks:
        caught = [name for name, case in mistakes.items() if case.fails == check.id]
        if not caught:
            continue
        yield f"### {check.title.removesuffix('.')} {{ #{lab.short_name}-{check.id.replace('_', '-')} }}"
        yield ""
        for name in caught:
            yield f'??? failure "{mistakes[name].description.replace(chr(34), "”")}"'
            lesson = (lab.folder / "erreurs" / name / "constat.md").read_text(encoding="utf-8")
            _title, _blank, *body = lesson.splitlines()
            yield from (f"    {line}".rstrip() for line in body)
            yield ""


def _label(lab: Lab) -> str:
    return f"TP {lab.short_name.removeprefix('tp')}"


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:].removesuffix(".") + "."


def _points(points: float) -> str:
    return f"{number(points)} point{'s' if points >= 2 else ''}"
