"""A lab's page as a Jupyter notebook (Bash kernel): the learner's, or the corrected one.

`python -m checks.render.notebook LEARNERS CORRECTED` writes both families of files, one for each
lab.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import jupytext
import nbformat

from checks.lab import Lab, all_labs
from checks.render.console import Command, commands
from checks.render.statement import whole_page

_HEADER = "---\njupyter:\n  kernelspec: {display_name: Bash, language: bash, name: bash}\n---\n\n"
_CONSOLE = re.compile(
    r'^(?P<indent> *)```console(?: title="(?P<terminal>[^"]*)")?\n(?P<source>.*?)^ *```$',
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
_OPEN = "2>&1 &"  # a tunnel in the background
_CLEAN_UP = "## Nettoyer\n"
_CLOSE = (
    "```bash\n# Fermer les tunnels que ce carnet a ouverts\nkill $tunnels 2>/dev/null || "
    "true\n```\n"
)
_PASSWORD = re.compile(r"^Password\b.*:$", re.MULTILINE)


def notebook(
    lab: Lab, *, corrected: bool, translate: Callable[[str], str] = str
) -> nbformat.NotebookNode:
    """The notebook of `lab`, without outputs; `translate` replaces the names of its story.

    In the corrected one, a cell writes the solution's files where the reader would complete them,
    and the answers that the page folds away are there.
    """
    text = whole_page(lab, translate)
    text = _COMPLETED.sub(
        lambda found: _written(lab, found["state"], translate) if corrected else "", text
    )
    text = _ANSWER.sub(
        lambda found: _unindented(found["body"], "    ") + "\n" if corrected else "", text
    )
    text = _TAB.sub(
        lambda found: f"**{found['title']}**\n\n{_unindented(found['body'], '    ').strip()}\n",
        text,
    )
    text = _CONSOLE.sub(_Cells(), text)
    if _OPEN in text:
        text = text.replace(_CLEAN_UP, f"{_CLEAN_UP}\n{_CLOSE}\n", 1)
    text = _ADMONITION.sub(_quoted, text)
    text = text.replace("```python\n", "```python .noeval\n")
    text = _DOWNLOAD.sub("", _PAGE.sub(r"(\1.ipynb)", text))
    book = jupytext.reads(_HEADER + text, fmt="md")
    for number, cell in enumerate(book.cells):
        cell["id"] = f"{lab.short_name}-{number}"
    return cast(nbformat.NotebookNode, book)


def write(folder: Path, *, corrected: bool) -> None:
    """Write the notebook of every lab: `FOLDER/LAB.ipynb`."""
    folder.mkdir(parents=True, exist_ok=True)
    for lab in all_labs():
        nbformat.write(notebook(lab, corrected=corrected), folder / f"{lab.name}.ipynb")


class _Cells:
    """Makes a code cell of each console block. A notebook has one shell: other terminals are
    subshells of it."""

    def __init__(self) -> None:
        self._exports: dict[str, list[str]] = {}

    def __call__(self, found: re.Match[str]) -> str:
        indent = found["indent"]
        typed = list(commands(_unindented(found["source"], indent)))
        if any(_PASSWORD.search(command.expected) for command in typed):
            return f"(Dans un terminal, et non dans ce carnet :)\n\n{found[0]}"
        lines = list(
            self._subshell(found["terminal"], typed) if found["terminal"] else _typed(typed)
        )
        tags = ' tags=["raises-exception"]' if typed[-1].may_fail else ""
        return "\n".join(indent + line for line in [f"```bash{tags}", *lines, "```"])

    def _subshell(self, terminal: str, typed: list[Command]) -> Iterator[str]:
        exports = self._exports.setdefault(terminal, [])
        log = f"{terminal.lower().replace(' ', '-')}.log"
        stays = typed[-1].stays
        yield f"# {terminal}"
        yield "("
        yield from exports
        yield from _typed(typed[:-1])
        yield ("exec " if stays else "") + typed[-1].typed
        if stays:  # the cell gives the hand back, the tunnel stays open
            yield f") > {log} 2>&1 &"
            yield 'tunnels="$tunnels $!"'
            spoken = f'until grep -qsE "Forwarding|rror" {log}; do sleep 1; done'
            yield f"timeout 30 sh -c '{spoken}'; cat {log}"
        else:
            yield ")"
        exports += [command.typed for command in typed if re.match(r"export |\w+=", command.typed)]


def _typed(typed: list[Command]) -> Iterator[str]:
    for command in typed:
        yield from command.typed.splitlines()


def _written(lab: Lab, state: str, translate: Callable[[str], str]) -> str:
    lines = ["```bash"]
    for name, text in lab.files(state).items():
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
    write(Path(sys.argv[1]), corrected=False)
    write(Path(sys.argv[2]), corrected=True)
