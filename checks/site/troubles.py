"""The page of what goes wrong: every finding of the labs, and a form that filters them by lab, by
what one sees and by words (docs/assets/site.js)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from itertools import groupby

from checks.findings import Finding, check_anchor, findings
from checks.lab import Lab, all_labs

SIGNS: Mapping[str, tuple[str, str]] = {
    "refus": (
        "une connexion refusée : rien n’écoute",
        r"refused|rien n’écoute|refuse la connexion",
    ),
    "silence": (
        "une connexion sans réponse, ou coupée",
        r"ne répond pas|sans réponse|timed out|dans le délai|fermée sans",
    ),
    "nom": ("un nom introuvable, ou qui mène ailleurs", r"\bDNS\b|resolve|un nom court|se résout"),
    "tunnel": (
        "un tunnel qui ne mène pas où il faut",
        r"\b[Tt]unnel (?:de|relie|n’écoute|vise)|est tenu par",
    ),
    "image": ("ImagePullBackOff, ErrImagePull", r"ImagePull|téléchargée"),
    "arret": (
        "un pod qui s’arrête : CrashLoopBackOff",
        r"s’est arrêté|s’arrête|n’a jamais démarré|redémarrage",
    ),
    "attente": (
        "un pod qui tourne sans être prêt, ou qui attend",
        r"n’est pas prêt|attend un volume|[Ss]onde",
    ),
    "droit": (
        "Forbidden : un droit qui manque",
        r"[Ff]orbidden|aucun droit|[Ll]’API refuse|ne le permet|lui manque|s’adresse à",
    ),
    "ouvert": (
        "une porte trop ouverte",
        r"peu(?:t|vent) (?:ouvrir|créer|lire|exécuter|supprimer|modifier|se faire|faire)|aboutit"
        r"|atteint|atteindrait|est ouvert",
    ),
    "secret": ("un mot de passe refusé, ou lisible", r"mot de passe|password"),
    "absent": (
        "un objet qui manque, ou qui a un autre nom",
        r"\b[Aa]ucune? |n’existe pas|not found|n’a plus de pod|un autre nom",
    ),
}
"""What one sees: its words for the form, and how a finding says it."""
OTHER = "autre"
_FINDING = re.compile(r"^\*\*Constat\.\*\* (.*)$", re.MULTILINE)


def signs(finding: Finding) -> Sequence[str]:
    """What somebody sees who has made this mistake: names of `SIGNS`, or `OTHER`."""
    told = _FINDING.search(finding.lesson)
    seen = [name for name, (_, words) in SIGNS.items() if told and re.search(words, told[1])]
    return seen or [OTHER]


def form() -> str:
    """The filter, as HTML; it shows where scripts run."""
    every = [finding for lab in all_labs() for finding in findings(lab)]
    labs = {lab.short_name: f"{_label(lab)} · {lab.about.title}" for lab in all_labs()}
    count = Counter(name for finding in every for name in signs(finding))
    seen = {name: words for name, (words, _) in SIGNS.items()} | {OTHER: "autre chose"}
    return "\n".join(
        [
            '<form class="finder" hidden>',
            '<div><label for="mots">Des mots de votre constat</label>'
            '<input type="search" id="mots" name="mots"></div>',
            _choice("TP", "tp", "tous", labs),
            _choice(
                "Ce que vous voyez",
                "vu",
                "tout",
                {name: f"{words} ({count[name]})" for name, words in seen.items() if count[name]},
            ),
            '<p><output></output> <button type="reset">Tout montrer</button></p>',
            "</form>",
        ]
    )


def _choice(label: str, name: str, every: str, choices: Mapping[str, str]) -> str:
    options = [
        f'<option value="{value}">{escape(words)}</option>'
        for value, words in {"": every, **choices}.items()
    ]
    return (
        f'<div><label for="{name}">{label}</label>'
        f'<select id="{name}" name="{name}">{"".join(options)}</select></div>'
    )


def troubles() -> str:
    """Every typical mistake of the corpus with its reviewed lesson (`constat.md`), by lab and by
    sentence: Markdown."""
    return "\n".join(line for lab in all_labs() for line in _of_lab(lab))


def _of_lab(lab: Lab) -> Iterator[str]:
    yield from ('<div class="findings" markdown>', "")
    yield from (f"## {_label(lab)} · {lab.about.title} {{ #{lab.short_name} }}", "")
    for check, group in groupby(findings(lab), key=lambda one: one.check):
        yield from ('<div class="findings" markdown>', "")
        title = check.title.removesuffix(".")
        yield from (f"### {title} {{ #{check_anchor(lab, check)} }}", "")
        for finding in group:
            yield from _of_finding(finding)
        yield from ("</div>", "")
    yield from ("</div>", "")


def _of_finding(finding: Finding) -> Iterator[str]:
    """A folded part; its heading is an entry of the search."""
    seen = " ".join(signs(finding))
    yield f'<details class="failure" data-tp="{finding.lab.short_name}" data-vu="{seen}" markdown>'
    yield f'<summary><h4 id="{finding.anchor}">{escape(finding.description)}</h4></summary>'
    yield from ("", finding.lesson.rstrip(), "")
    yield from (f"[Adresse de ce constat](#{finding.anchor})", "")
    yield from ("</details>", "")


def _label(lab: Lab) -> str:
    return f"TP {lab.short_name.removeprefix('tp')}"
