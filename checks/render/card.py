"""A verdict as a card of HTML, for a notebook's cell: the words of the terminal, the remedy folded.

A page may hold many of them, light or dark. It is whole without scripts; where they run, a button
copies. JupyterLab strips style and scripts of a notebook that it does not trust
(https://jupyterlab.readthedocs.io/en/stable/user/notebook.html): the button is `hidden` but for
our style.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import resources
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from checks.drawing import Step, steps
from checks.inert import seen
from checks.lab import Lab
from checks.redaction import redact
from checks.render import wording
from checks.verdict import CheckResult, Diagnostic, Status, Verdict

_COPY = (
    "const button = this, text = button.parentNode.querySelector('pre');"
    "navigator.clipboard.writeText(text.textContent).then(() => {"
    "button.textContent = 'Copié';"
    "setTimeout(() => { button.textContent = 'Copier'; }, 2000); })"
)


def page(
    lab: Lab,
    verdict: Verdict,
    diagnostics: Mapping[str, Diagnostic],
    *,
    colleague: str = "",
    with_help: bool = False,
    port: int = 0,
    done: float = 0,
    typed: str = "",
    site: str = "",
) -> str:
    """The card. `with_help` unfolds the remedies (--aide); the rest as `checks.render.terminal`."""
    card = _tag(
        "section",
        _tag("style", _style()),
        _tag("p", f"{lab.short_name.upper()} · {lab.about.title}", class_="titre"),
        _tag("p", f"{verdict.user} dans {verdict.namespace}{colleague}", class_="qui"),
        class_=f"cahier {verdict.status}",
        lang="fr",
        aria_label=f"Verdict : {lab.title}",
    )
    if lab.about.path:
        drawn = steps(lab.about.path, verdict.statuses)
        hops = [_step(step, lab.with_port(step.words, port)) for step in drawn]
        card.append(_tag("ol", *hops, class_="chemin", aria_label="Le chemin, étape par étape"))
    sentences = [
        _sentence(result, diagnostics.get(result.id), with_help) for result in verdict.checks
    ]
    card.append(_tag("ul", *sentences, class_="phrases", aria_label="Les phrases"))
    card.extend(_conclusion(lab, verdict, done, typed, site))
    return ElementTree.tostring(card, encoding="unicode", method="html")


@cache
def _style() -> str:
    return resources.files(__package__).joinpath("card.css").read_text("utf-8")


def _step(step: Step, words: str) -> Element:
    kind = "station" if step.is_station else "lien au-dela" if step.cut else "lien"
    line = _tag("li", *_mark(step.symbol, step.status), words, class_=f"{kind} {step.status}")
    if step.note:
        line.append(_tag("span", f" ← {step.note}", class_="arret"))
    return line


def _sentence(result: CheckResult, diagnostic: Diagnostic | None, with_help: bool) -> Element:
    said = _tag(
        "div",
        *_mark(result.status.symbol, result.status),
        _tag("span", result.title, class_="dit"),
        _tag("span", wording.points(result), class_="points"),
        class_="phrase",
    )
    sentence = _tag("li", said, class_=str(result.status))
    if wording.has_lesson(result):
        look = diagnostic.look if diagnostic is not None else ()
        sentence.append(_tag("dl", *_lesson(result, look)))
        if result.fix or result.fix_lines or result.fix_commands:
            unfolded = with_help or result.status is not Status.FAILED
            sentence.append(_remedy(result, unfolded))
    return sentence


def _lesson(result: CheckResult, look: Sequence[str]) -> Iterator[Element]:
    yield _tag("dt", wording.FINDING[result.status])
    yield _tag("dd", result.finding)
    if result.cause:
        yield _tag("dt", wording.CAUSE)
        yield _tag("dd", result.cause)
    if look:
        yield _tag("dt", wording.LOOK)
        yield _tag("dd", *_copiable(look))


def _remedy(result: CheckResult, unfolded: bool) -> Element:
    first, answer = wording.parted(result.fix_commands)
    remedy = _folded(wording.REMEDY, unfolded, _tag("div", result.fix))
    remedy.extend([*_copiable(result.fix_lines), *_copiable(first)])
    if answer:
        last = _tag("div", wording.LAST_RESORT)
        remedy.append(_folded(wording.ANSWER, unfolded, last, *_copiable(answer)))
    return remedy


def _conclusion(
    lab: Lab, verdict: Verdict, done: float, typed: str, site: str
) -> Iterator[Element]:
    state = f"fin {verdict.status}"
    if verdict.status is Status.PASSED:
        right = _tag("b", f"{wording.ALL_RIGHT} ")
        yield _tag("p", right, f"{wording.score(verdict)}. {wording.farewell(lab)}", class_=state)
        after = wording.following(lab)
        if after:
            yield _tag("p", after, class_="qui")
        return
    yield _tag("p", _tag("b", wording.left_to_do(verdict)), class_=state)
    before = wording.once_done(verdict, done)
    if before:
        yield _tag("p", before, class_="qui")
    if verdict.status is Status.FAILED:
        hint = _tag("code", f"cahier indice {lab.short_name}{typed}")
        yield _tag("p", "Un indice : ", hint, class_="qui")
    if site:
        yield _tag("p", "Sur le site : ", _tag("a", site, href=site), class_="qui")


def _mark(symbol: str, status: Status) -> tuple[Element, Element]:
    """The symbol for who sees, its words for who hears."""
    return (
        _tag("span", symbol, class_="signe", aria_hidden="true"),
        _tag("span", f"{status.words} : ", class_="entendu"),
    )


def _folded(title: str, unfolded: bool, *content: Element) -> Element:
    folded = _tag("details", _tag("summary", title), *content)
    if unfolded:
        folded.set("open", "")
    return folded


def _copiable(lines: Sequence[str]) -> Sequence[Element]:
    """What is to be copied, and the button that does it; nothing where there is none."""
    if not lines:
        return ()
    button = _tag("button", "Copier", type="button", hidden="", onclick=_COPY)
    return (_tag("div", _tag("pre", "\n".join(lines)), button, class_="copiable"),)


def _tag(name: str, *content: Element | str, **attributes: str) -> Element:
    """An element; its texts are shown as what they are, and without any secret."""
    made = Element(name, {key.strip("_").replace("_", "-"): attributes[key] for key in attributes})
    for part in content:
        if isinstance(part, Element):
            made.append(part)
        elif len(made):
            made[-1].tail = seen(redact(part))
        else:
            made.text = seen(redact(part))
    return made
