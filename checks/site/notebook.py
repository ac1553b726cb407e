"""A lab's page as a Jupyter notebook (Bash kernel): the learner's, or the corrected one.

`python -m checks.site.notebook LEARNERS CORRECTED` writes both families of files, one for each
lab. Its diagrams are drawn then, where a browser is at hand: the notebook needs no network.
"""

from __future__ import annotations

import base64
import contextlib
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, cast

import jupytext
import nbformat

from checks.lab import Lab, all_labs
from checks.render.console import Command, commands
from checks.render.statement import whole_page

if TYPE_CHECKING:
    from playwright.sync_api import Page

Drawn = Callable[[str], bytes]
"""Makes a picture (PNG) of a diagram's source."""

_HEADER = "---\njupyter:\n  kernelspec: {display_name: Bash, language: bash, name: bash}\n---\n\n"
_CONSOLE = re.compile(
    r"^(?P<indent> *)```console(?P<local> local)?(?P<last> nettoyer)?"
    r'(?: title="(?P<terminal>[^"]*)")?\n(?P<source>.*?)^ *```$',
    re.MULTILINE | re.DOTALL,
)
_COMPLETED = re.compile(r"^<!-- fichiers: (?P<state>\w+) -->$", re.MULTILINE)
_ADMONITION = re.compile(
    r'^!!! \w+ "(?P<title>[^"]*)"\n(?P<body>(?:    .*\n|\n(?=    ))*)', re.MULTILINE
)
_TAB = re.compile(r'^=== "(?P<title>[^"]*)"\n(?P<body>(?:    .*\n|\n(?=    ))*)', re.MULTILINE)
_ANSWER = re.compile(
    r'^\?\?\? \w+ "(?P<title>[^"]*)"\n(?P<body>(?:    .*\n|\n(?=    ))*)', re.MULTILINE
)
_PAGE = re.compile(r"\((?:\.\./)+(\w+)/enonce(?:\.md|/)\)")
_DOWNLOAD = re.compile(r"^.*\]\((?:\.\./)+notebooks/.*\n", re.MULTILINE)
_STAYS = "Forwarding from"  # what the page shows of a tunnel
_FIRST_PART = re.compile(r"^## ", re.MULTILINE)
_CLEAN_UP = re.compile(r"^## Nettoyer\n(?P<body>.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r'^```yaml title="(?P<name>[^"]+)"\n.*?^```$', re.MULTILINE | re.DOTALL)
_DIAGRAM = re.compile(r"^```mermaid\n(?P<source>.*?)^```$", re.MULTILINE | re.DOTALL)
_LABEL = re.compile(r'"([^"]+)"')
_LOCAL_TAB = "Petit SSPCloud local"
_LOCAL = "cahier cluster "
_SOMEBODY = re.compile(rf"(?!KUBECONFIG)\b(\w+)=\$\({_LOCAL}")
_WHO = re.compile(rf"{_LOCAL}kubeconfig (\w+)")
CLEANING = "nettoyer=oui"
_WHERE = """```bash
# Où travaille ce carnet ? Vide, il le cherche ; sinon, écrivez local ou sspcloud.
ou=${{ou:-}}
if [ -z "$ou" ]; then
    ou=sspcloud
    # rien d’autre n’est configuré, et le petit SSPCloud local est là
    if [ -z "$KUBERNETES_SERVICE_HOST$KUBECONFIG" ] && [ ! -e ~/.kube/config ] &&
        cahier cluster kubeconfig {person} > /dev/null 2>&1; then
        ou=local
    fi
fi
if [ "$ou" = local ]; then
    export KUBECONFIG=$(cahier cluster kubeconfig {person})
    echo "Ce carnet travaille sur le petit SSPCloud local, où vous êtes {person}."
else
    echo "Ce carnet travaille avec votre propre configuration, celle du SSPCloud :"
    kubectl config current-context 2>/dev/null || echo "l’identité de ce service, s’il en a une."
    echo "Les cellules qui ne valent que pour le petit SSPCloud local n’y feront rien."
fi
```
"""
_CLEANING = f"""```bash
# « Tout exécuter » ne nettoie rien. Pour nettoyer, retirez le # de la ligne suivante,
# puis exécutez cette cellule et celles qui suivent.
# {CLEANING}
```
"""
_CLOSE = """```bash
# Fermer les tunnels que ce carnet a ouverts
if [ "$nettoyer" = oui ]; then
kill $tunnels 2>/dev/null || true
fi
```
"""
_PASSWORD = re.compile(r"^Password\b.*:$", re.MULTILINE)


def notebook(
    lab: Lab,
    *,
    corrected: bool,
    translate: Callable[[str], str] = str,
    draw: Drawn | None = None,
) -> nbformat.NotebookNode:
    """The notebook of `lab`, without outputs; `translate` replaces the names of its story.

    In the corrected one, a cell writes the solution's files where the reader would complete them,
    and the answers that the page folds away are there. Without `draw`, a diagram stays the words
    that it is made from.
    """
    text = whole_page(lab, translate)
    done = _COMPLETED.search(text) if corrected else None
    text = _FILE.sub(
        lambda found: _edited(
            lab.files(done["state"] if done and done.end() < found.start() else "depart"),
            found,
            translate,
        ),
        text,
    )
    text = _COMPLETED.sub(
        lambda found: _written(lab.files(found["state"]), translate) if corrected else "", text
    )
    text = _ANSWER.sub(
        lambda found: _unindented(found["body"], "    ") + "\n" if corrected else "", text
    )
    text = _TAB.sub(_tab, text)
    text = _CLEAN_UP.sub(_cleaning, text)
    person = translate(lab.about.story.namespace).removeprefix("user-")
    text = _CONSOLE.sub(_Cells(person), text)
    text = _FIRST_PART.sub(
        lambda found: f"{_WHERE.format(person=person)}\n{found[0]}", text, count=1
    )
    text = _ADMONITION.sub(_quoted, text)
    text = text.replace("```python\n", "```python .noeval\n")
    text = _DOWNLOAD.sub("", _PAGE.sub(r"(\1.ipynb)", text))
    book = cast(nbformat.NotebookNode, jupytext.reads(_HEADER + text, fmt="md"))
    for number, cell in enumerate(book.cells):
        cell["id"] = f"{lab.short_name}-{number}"
        if draw is not None and cell.cell_type == "markdown":
            _illustrate(cell, draw)
    return book


def write(folder: Path, *, corrected: bool, draw: Drawn | None = None) -> None:
    """Write the notebook of every lab: `FOLDER/LAB.ipynb`."""
    folder.mkdir(parents=True, exist_ok=True)
    for lab in all_labs():
        nbformat.write(notebook(lab, corrected=corrected, draw=draw), folder / f"{lab.name}.ipynb")


def drawn(page: Page, source: str) -> bytes:
    """The picture of a diagram, drawn in a page of a browser: as on the site, on white."""
    if page.evaluate("typeof mermaid") == "undefined":  # three megabytes
        page.set_content("<div id=dessin style='display: inline-block; padding: 8px'></div>")
        page.add_script_tag(path=_mermaid())
    page.evaluate(
        """async source => {
          mermaid.initialize({ startOnLoad: false, theme: "neutral",
            flowchart: { useMaxWidth: false, subGraphTitleMargin: { top: 4, bottom: 24 } } });
          const { svg } = await mermaid.render("schema", source);
          document.getElementById("dessin").innerHTML = svg;
        }""",
        source,
    )
    return page.locator("#dessin").screenshot()


def _mermaid() -> Path:
    """The library of the site's diagrams, found without importing the package that carries it."""
    found = find_spec("mmdc")
    assert found is not None, "make setup installs it"
    return Path(str(found.origin)).with_name("assets") / "mermaid.js"


@contextlib.contextmanager
def _artist() -> Iterator[Drawn | None]:
    """Draws in a browser; None where there is none."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        print(
            "→ carnets : sans Chromium, leurs schémas restent à dessiner par qui les ouvre",
            file=sys.stderr,
        )
        yield None
        return
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1600, "height": 1200}, device_scale_factor=1.5)
        yield lambda source: drawn(page, source)
        browser.close()


def _illustrate(cell: nbformat.NotebookNode, draw: Drawn) -> None:
    """Put its pictures in the cell: the only form that JupyterLab, VSCode and nbconvert all
    show."""
    attachments: dict[str, dict[str, str]] = {}

    def picture(found: re.Match[str]) -> str:
        name = f"schema-{len(attachments) + 1}.png"
        attachments[name] = {"image/png": base64.b64encode(draw(found["source"])).decode()}
        words = "\u00a0; ".join(
            label.replace("<br/>", " ") for label in _LABEL.findall(found["source"])
        )
        return f"![Schéma\u00a0: {words}](attachment:{name})"

    cell["source"] = _DIAGRAM.sub(picture, cell["source"])
    if attachments:
        cell["attachments"] = attachments


def _tab(found: re.Match[str]) -> str:
    body = _unindented(found["body"], "    ").strip()
    if found["title"] == _LOCAL_TAB:
        body = body.replace("```console", "```console local")
    return f"**{found['title']}**\n\n{body}\n"


def _cleaning(found: re.Match[str]) -> str:
    """The last part, where each cell waits to be wanted."""
    body = found["body"].replace("```console", "```console nettoyer")
    close = f"{_CLOSE}\n" if _STAYS in found.string else ""
    return f"## Nettoyer\n\n{_CLEANING}\n{close}{body}"


def _edited(files: Mapping[str, str], found: re.Match[str], translate: Callable[[str], str]) -> str:
    """A file to complete is a cell that writes it: it is edited there. Once the reader has
    completed them all, those that the page shows later are as they left them."""
    text = files.get(found["name"])
    return found[0] if text is None else _written({found["name"]: text}, translate)


class _Cells:
    """Makes a code cell of each console block. A notebook has one shell: other terminals are
    subshells of it."""

    def __init__(self, person: str) -> None:
        self._person = person
        self._exports: dict[str, list[Command]] = {}
        self._local = [_LOCAL, "cahier catalogue "]

    def __call__(self, found: re.Match[str]) -> str:
        indent = found["indent"]
        typed = list(commands(_unindented(found["source"], indent)))
        if any(_PASSWORD.search(command.expected) for command in typed):
            return f"(Dans un terminal, et non dans ce carnet :)\n\n{found[0]}"
        local = bool(found["local"]) or self._plays_another(found["terminal"], typed)
        lines = list(
            self._subshell(found["terminal"], typed, local)
            if found["terminal"]
            else self._typed(typed, everywhere=local)
        )
        if local:
            lines = ["# Sur le petit SSPCloud local seulement", *_only("ou", "local", lines)]
        if found["last"]:
            lines = list(_only("nettoyer", "oui", lines))
        tags = ' tags=["raises-exception"]' if typed[-1].may_fail else ""
        return "\n".join(indent + line for line in [f"```bash{tags}", *lines, "```"])

    def _plays_another(self, terminal: str | None, typed: list[Command]) -> bool:
        """Whether a terminal is that of a colleague whom the local cluster lets one play."""
        known = [*self._exports.get(terminal or "", ()), *typed] if terminal else []
        return any({*_WHO.findall(command.typed)} - {self._person} for command in known)

    def _subshell(self, terminal: str, typed: list[Command], local: bool) -> Iterator[str]:
        exports = self._exports.setdefault(terminal, [])
        log = f"{terminal.lower().replace(' ', '-')}.log"
        stays = typed[-1].stays
        yield f"# {terminal}"
        yield "("
        yield from self._typed([*exports, *(typed[:-1] if stays else typed)], everywhere=local)
        if stays:  # the cell gives the hand back, the tunnel stays open
            yield f"exec {typed[-1].typed}"
            yield f") > {log} 2>&1 &"
            yield 'tunnels="$tunnels $!"'
            spoken = f'until grep -qsE "Forwarding|rror" {log}; do sleep 1; done'
            yield f"timeout 30 sh -c '{spoken}'; cat {log}"
        else:
            yield ")"
        exports += [command for command in typed if re.match(r"export |\w+=", command.typed)]

    def _typed(self, typed: Sequence[Command], *, everywhere: bool = False) -> Iterator[str]:
        """The commands. What asks the local cluster, or somebody whom it has made, does it only
        there, unless the whole cell does."""
        for command in typed:
            self._local += [f"${name} " for name in _SOMEBODY.findall(command.typed)]
            lines = command.typed.splitlines()
            local = not everywhere and any(one in command.typed for one in self._local)
            yield from _only("ou", "local", lines) if local else lines


def _only(variable: str, value: str, lines: Sequence[str]) -> Iterator[str]:
    yield f'if [ "${variable}" = {value} ]; then'
    yield from lines
    yield "fi"


def _written(files: Mapping[str, str], translate: Callable[[str], str]) -> str:
    lines = ["```bash"]
    for name, text in files.items():
        lines += [f"cat > {name} <<'FIN'", translate(text).rstrip(), "FIN"]
    return "\n".join([*lines, "```"])


def _quoted(found: re.Match[str]) -> str:
    body = _unindented(found["body"], "    ").rstrip()
    return (
        "\n".join(["> " + line for line in [f"**{found['title']}**", "", *body.splitlines()]])
        + "\n"
    )


def _unindented(text: str, indent: str) -> str:
    return "\n".join(line.removeprefix(indent) for line in text.splitlines())


if __name__ == "__main__":
    with _artist() as artist:
        write(Path(sys.argv[1]), corrected=False, draw=artist)
        write(Path(sys.argv[2]), corrected=True, draw=artist)
