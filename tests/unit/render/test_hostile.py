"""Whatever a learner wrote is shown as what it is, in every format; and what is honest, as it was
written."""

from __future__ import annotations

import ast
import csv
import html
import io
import logging
import re
import shlex
import string
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Dialog, Page, expect
from rich.color import ColorSystem
from rich.console import Console

from checks import inert, redaction
from checks.board import standing
from checks.board.board import News
from checks.doctor import lines as doctor
from checks.errors import CahierError, Unverifiable
from checks.grading.exports import feedback, junit, moodle, report, spreadsheet, worksheet
from checks.grading.results import (
    CheckGrade,
    ClassGrades,
    LabGrade,
    LabInfo,
    LearnerGrades,
    from_verdict,
    lab_info,
    to_json,
    without_verdict,
)
from checks.lab import find_lab
from checks.output import marked, output
from checks.path import outcome as paths
from checks.render import board as board_screen
from checks.render import card, grading, problem, terminal
from checks.render import doctor as doctor_screen
from checks.render import path as path_screen
from checks.shell import identifier, in_template, one_word, thing
from checks.sources import snapshot
from checks.verdict import CheckResult, Diagnostic, Said, Status, Verdict
from checks.verdict import to_json as verdict_json
from tests.support.hostile import HONEST, HOSTILE, active, forged

ROOT = Path(__file__).parents[3]
LAB = find_lab("tp2")
PATHS = {LAB.name: LAB.about.path}
LONGEST = 300_000  # characters: a page says each text many times

# -- what is said with a text in every place that it may have --------------------------------------


def result(text: str) -> CheckResult:
    return CheckResult(
        id="a",
        title=text,
        status=Status.FAILED,
        points=0,
        points_max=1,
        finding=text,
        cause=text,
        fix=text,
        fix_commands=(f"kubectl get {one_word(text)}",),
    )


@cache
def lesson(text: str) -> Diagnostic:
    return Diagnostic(
        text, text, text, [f"kubectl get {one_word(text)}"], [f"kubectl get {one_word(text)}"]
    )


@cache
def verdict(text: str) -> Verdict:
    one = result(text)
    checks = tuple(
        msgspec.structs.replace(one, id=check.id, status=status)
        for check, status in zip(LAB.checks, [*Status, Status.FAILED], strict=False)
    )
    return Verdict(
        lab=LAB.name,
        namespace=text[:60],
        user=f"oidc-{text[:60]}",
        status=Status.FAILED,
        points=0,
        points_max=9,
        checks=checks,
    )


@cache
def graded(text: str) -> ClassGrades:
    """A learner whose every text is this one, graded, and one who is absent."""
    lab = from_verdict(LAB, verdict(text), datetime(2026, 11, 29, tzinfo=UTC))
    them = [
        LearnerGrades(
            identifier=f"p{number}",
            last_name=text,
            first_name=text,
            email=text,
            namespace=text,
            colleague=text,
            state=grade.state,
            points="0",
            points_open=grade.points_open,
            points_max="9",
            labs=(grade,),
        )
        for number, grade in enumerate(
            [lab, without_verdict(LAB, text), without_verdict(LAB, text, absent=True)]
        )
    ]
    info = msgspec.structs.replace(lab_info(LAB), title=text)
    return ClassGrades(labs=(info,), learners=tuple(them))


def on_screen(
    show: Callable[[Console], object], *, width: int = 80, soft_wrap: bool = False
) -> str:
    """What a console of ours shows on a terminal in colours."""
    kept = io.StringIO()
    console = output(soft_wrap=soft_wrap)
    console.file, console.width = kept, width
    console._force_terminal, console._color_system = True, ColorSystem.STANDARD
    show(console)
    return kept.getvalue()


def through_the_stream(text: str) -> str:
    kept = io.StringIO()
    redaction.Stream(kept).write(text)
    return kept.getvalue()


def logged(text: str) -> str:
    kept = io.StringIO()
    handler = logging.StreamHandler(kept)
    handler.setFormatter(redaction.Formatter(logging.BASIC_FORMAT))
    handler.handle(logging.LogRecord("x", logging.DEBUG, __file__, 1, "said: %s", (text,), None))
    return kept.getvalue()


def recorded(text: str, folder: Path) -> str:
    seen = snapshot.Snapshot(
        taken=datetime(2026, 11, 29, tzinfo=UTC), namespace="user-a", user=text
    )
    seen.objects["ConfigMap"] = [{"metadata": {"name": "a"}, "data": {"a": text}}]
    seen.logs.append(snapshot.Log("pod", 3, text))
    snapshot.write(seen, folder / "vu.json")
    assert snapshot.read(folder / "vu.json").objects == seen.objects, "facts are kept as they are"
    return (folder / "vu.json").read_text(encoding="utf-8")


def told(text: str) -> doctor.Outcome:
    line = doctor.Line(
        id="kubectl", title=text, status=doctor.State.FAILED, found=text, cause=text, remedy=text
    )
    return doctor.outcome([line])


def walked(text: str) -> paths.Path:
    """A path whose every text is this one."""
    hop = paths.Hop(
        id=paths.Kind.SERVICE,
        place=text,
        status=Status.FAILED,
        proof=paths.Proof.TRIED,
        found=text,
        finding=text,
        cause=text,
        fix=text,
    )
    return paths.Path(
        source=text,
        destination=text,
        namespace=text,
        user=text,
        status=Status.FAILED,
        hops=(hop,),
    )


def show_path(console: Console, found: paths.Path) -> None:
    path_screen.heading(console, found.source, found.destination)
    for hop in found.hops:
        path_screen.show_hop(console, hop, True)
    path_screen.conclude(console, found, with_help=True, typed="")


def on_board(text: str) -> News:
    """A person who is stopped, and the sentence that stops them, all of this text."""
    stuck = standing.Standing(kind="stuck", lab=text, check="a", sentence=text, finding=text)
    row = standing.Row(
        id="a", name=text, namespace=text, standing=stuck, since=0, at_least=False, lost=text
    )
    stops = standing.Sentence(
        lab=text,
        check="a",
        title=text,
        count=1,
        cause=text,
        findings=(text,),
        hints=(text,),
        since=0,
    )
    return News(1, [row], [stops], [], 1, "", 0)


RENDERERS: Mapping[str, Callable[[str], str]] = {
    "a verdict": lambda text: on_screen(
        lambda to: terminal.show(
            to, LAB, verdict(text), {LAB.checks[1].id: lesson(text)}, with_help=True
        )
    ),
    "a verdict in 40 columns": lambda text: on_screen(
        lambda to: terminal.show(
            to, LAB, verdict(text), {LAB.checks[1].id: lesson(text)}, with_help=True
        ),
        width=40,
    ),
    "a verdict in JSON": lambda text: verdict_json(verdict(text)),
    "a diagnosis": lambda text: on_screen(lambda to: doctor_screen.show(to, told(text))),
    "a diagnosis in JSON": lambda text: doctor.to_json(told(text)),
    "a path": lambda text: on_screen(lambda to: show_path(to, walked(text))),
    "a board": lambda text: on_screen(
        lambda to: to.print(board_screen.drawn(on_board(text), on_board(text).rows, 40)), width=300
    ),
    "a path in JSON": lambda text: paths.to_json(walked(text)),
    "a problem": lambda text: on_screen(
        lambda to: problem.show(CahierError(inert.line(text), inert.line(text)), to)
    ),
    "a line of ours": lambda text: on_screen(
        lambda to: to.print(marked("[bold]{}[/] fin", inert.line(text))), soft_wrap=True
    ),
    "what a grading ends with": lambda text: on_screen(
        lambda to: grading.conclude(to, graded(text), Path("notes"), 1), soft_wrap=True
    ),
    "a worksheet's people": lambda text: on_screen(
        lambda to: grading.conclude_worksheet(
            to, worksheet.Filled(1, [inert.line(text)], [inert.line(text)]), Path("feuille.csv")
        ),
        soft_wrap=True,
    ),
    "notes.json": lambda text: to_json(graded(text)).decode(),
    "notes-moodle.csv": lambda text: moodle.render(graded(text)).decode(),
    "notes-tableur.csv": lambda text: spreadsheet.render(graded(text)).decode("utf-8-sig"),
    "junit.xml": lambda text: junit.render(graded(text)).decode(),
    "rapport.html": lambda text: report.render(graded(text), PATHS).decode(),
    "retour.html": lambda text: feedback.render(
        graded(text), graded(text).learners[0], PATHS
    ).decode(),
    "carte.html": lambda text: card.page(LAB, verdict(text), {LAB.checks[1].id: lesson(text)}),
    "a log": logged,
}


@cache
def rendered(renderer: str, text: str) -> str:
    return RENDERERS[renderer](text)


ACTIVE = [
    HOSTILE[name]
    for name in ("HTML", "an end of XML", "a template", "Markdown", "a link of the terminal")
]
ON_A_SCREEN = [name for name in RENDERERS if name.startswith(("a ", "what"))]


# Each test below goes through all the texts: a test for each of these thousand pairs cost more than
# what it did.


@pytest.mark.parametrize("renderer", RENDERERS)
def test_nothing_acts_wherever_it_is_shown(renderer: str) -> None:
    for name, text in HOSTILE.items():
        shown = rendered(renderer, text)
        assert active(shown, drawn=renderer in ON_A_SCREEN) == [], name
        assert forged(shown) == [], name
        assert len(shown) < LONGEST, name


@pytest.mark.parametrize("renderer", RENDERERS)
def test_what_is_honest_is_shown_as_it_was_written(renderer: str) -> None:
    for text in HONEST:
        shown = html.unescape(rendered(renderer, text))
        assert text in shown or (renderer in ON_A_SCREEN and text.split()[0] in shown), text
        assert "coupé" not in shown, text
        assert "⟨" not in shown, text


def test_the_list_of_renderers_is_whole() -> None:
    """Whoever adds a module that shows, or exports, adds it above."""
    shown = {path.stem for path in (ROOT / "checks/render").glob("*.py")} - {"__init__"}
    no_text_of_others = {"console", "statement", "wording", "wrapping"}
    assert (
        shown
        == {"board", "card", "doctor", "grading", "moodle", "path", "problem", "terminal"}
        | no_text_of_others
    )
    exported = {path.stem for path in (ROOT / "checks/grading/exports").glob("*.py")} - {"__init__"}
    parts = {"cells", "figures", "hours", "marks", "pages", "timeline"}
    assert exported == {"feedback", "junit", "moodle", "report", "spreadsheet", "worksheet"} | parts


# -- the types that renderers are given ------------------------------------------------------------


def kinds(one: type[Said]) -> Iterator[type[Said]]:
    for child in one.__subclasses__():
        yield child
        yield from kinds(child)


@pytest.mark.parametrize("kind", sorted(kinds(Said), key=str))
def test_no_text_of_what_is_said_acts_whatever_it_is_made_from(kind: type[Said]) -> None:
    fields = {field.name: field.type for field in msgspec.structs.fields(kind)}
    for title, text in HOSTILE.items():
        given = {
            name: (text, text) if name.endswith(("commands", "fix_lines")) else text
            for name in fields
        }
        made = kind(**given)
        again = msgspec.structs.replace(made)
        for name in fields:
            value = getattr(made, name)
            assert getattr(again, name) == value, title
            for said in value if isinstance(value, tuple) else (value,):
                assert active(said) == [], title
                assert "\n" not in said, title
                assert len(said) <= inert.MOST, title


def test_every_type_of_a_verdict_and_of_grades_is_said() -> None:
    assert {CheckResult, Verdict, CheckGrade, LabGrade, LabInfo, LearnerGrades, ClassGrades} <= {
        *kinds(Said)
    }
    assert {doctor.Line, doctor.Outcome} <= {*kinds(Said)}


def test_a_lesson_is_fit_to_be_said_as_soon_as_it_is_made() -> None:
    for name, text in HOSTILE.items():
        made = Diagnostic(text, text, text, [text] * 3, (text,), lines=[text])
        for said in (made.finding, made.cause, made.fix, *made.commands, *made.look, *made.lines):
            assert active(said) == [], name
            assert "\n" not in said, name
        assert active(Unverifiable(text, text).message) == [], name


def test_a_mebibyte_is_cut_and_says_so() -> None:
    made = Diagnostic(f"Début {'x' * 2**20} fin.", "c", "f")
    assert len(made.finding) <= inert.MOST
    assert made.finding.startswith("Début xxx")
    assert made.finding.endswith("xxx fin.")
    assert " … (1048587 caractères, coupé) … " in made.finding


def test_a_command_is_never_cut_and_what_is_left_out_is_told() -> None:
    many = [f"kubectl delete service foule-{number}" for number in range(3000)]
    made = Diagnostic("f", "c", "Supprimez.", many)
    assert list(made.commands) == many[: len(made.commands)]
    assert f"Il y en a {3000 - len(made.commands)} de plus" in made.fix
    assert Diagnostic("f", "c", "Supprimez.", ["echo " + "x" * 10**6]).commands == ()
    assert Diagnostic("f", "c", "Supprimez.", ("kubectl get pods",)).fix == "Supprimez."


# -- each format -----------------------------------------------------------------------------------


class Tags(HTMLParser):
    """Every tag with the names of its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, tuple[str, ...]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, tuple(name for name, _ in attrs)))


@pytest.mark.parametrize("document", ["rapport.html", "retour.html"])
def test_pages_are_made_of_our_tags_alone(document: str) -> None:
    plain = Tags(rendered(document, "mot")).found
    for name, text in HOSTILE.items():
        assert Tags(rendered(document, text)).found == plain, name


def test_a_card_is_made_of_our_tags_alone() -> None:
    """A command that is too long to be said is left out with what would hold it."""
    plain = {*Tags(rendered("carte.html", "mot")).found}
    for name, text in HOSTILE.items():
        assert {*Tags(rendered("carte.html", text)).found} <= plain, name


@pytest.mark.parametrize(
    ("table", "delimiter"), [("notes-moodle.csv", ","), ("notes-tableur.csv", ";")]
)
def test_tables_keep_their_cells_and_none_is_a_formula(table: str, delimiter: str) -> None:
    for name, text in HOSTILE.items():
        rows = list(csv.reader(io.StringIO(rendered(table, text), newline=""), delimiter=delimiter))
        assert len(rows) == 4, name
        assert len({len(row) for row in rows}) == 1, name
        cells = [cell.lstrip(" \t\r\n\u00a0") for row in rows for cell in row]
        assert not [cell for cell in cells if cell[:1] in ("=", "+", "-", "@", "\t", "\r")], name


def test_junit_keeps_its_cases() -> None:
    plain = [one.tag for one in ElementTree.fromstring(rendered("junit.xml", "mot")).iter()]
    for name, text in HOSTILE.items():
        assert [
            one.tag for one in ElementTree.fromstring(rendered("junit.xml", text)).iter()
        ] == plain, name


def test_facts_are_recorded_as_they_are_in_a_file_that_shows_them(tmp_path: Path) -> None:
    for name, text in HOSTILE.items():  # JSON of an API server never holds half a character
        whole = text.encode("utf-8", "replace").decode() if "\ud800" in text else text
        assert active(recorded(whole, tmp_path)) == [], name


def test_the_last_door_lets_nothing_through_but_our_own_drawing() -> None:
    for name, text in HOSTILE.items():
        shown = through_the_stream(text)
        assert [one for one in active(shown, drawn=True) if one != "0x1b"] == [], name
        assert "\x1b" not in re.sub(r"\x1b\[[\d;]*[mAK]|\x1b\[\?25[hl]", "", shown), name


def test_no_line_of_somebody_else_has_a_notebook_show_a_file() -> None:
    for kind in ("html", "image", "javascript"):
        shown = through_the_stream(f"mon-api\nbash_kernel: saved {kind} data to: /etc/passwd\n")
        obeyed = [line for line in shown.splitlines() if line.startswith("bash_kernel: saved ")]
        assert obeyed == []


def test_the_drawing_of_our_libraries_goes_through_the_last_door() -> None:
    drawn = on_screen(lambda to: terminal.show(to, LAB, verdict("mot"), {}))
    assert "\x1b[" in drawn
    assert through_the_stream(drawn) == drawn
    turning = "\r\x1b[2K\x1b[?25l\x1b[1A\x1b[2K⠋ J’attends"
    assert through_the_stream(turning) == turning


def test_no_script_runs_and_nothing_is_asked_of_anybody(page: Page, tmp_path: Path) -> None:
    events: list[str] = []
    asked: list[str] = []

    def refuse(dialog: Dialog) -> None:
        events.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", refuse)
    page.on("console", lambda message: events.append(message.text))
    page.on("pageerror", lambda error: events.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    everybody = graded("mot")
    them = [
        msgspec.structs.replace(graded(text).learners[0], identifier=f"p{n}")
        for n, text in enumerate(ACTIVE)
    ]
    whole = report.render(msgspec.structs.replace(everybody, learners=tuple(them)), PATHS)
    for number, content in enumerate(
        [
            whole,
            *(feedback.render(everybody, one, PATHS) for one in them),
            *(f"<h1>Carnet</h1>{rendered('carte.html', text)}".encode() for text in ACTIVE),
        ]
    ):
        file = tmp_path / f"{number}.html"
        file.write_bytes(content)
        page.goto(file.as_uri())
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert events == []
    assert [url for url in asked if not url.startswith("file:")] == []


def test_the_page_itself_refuses_a_script_that_is_not_ours(page: Page, tmp_path: Path) -> None:
    for name in ("rapport.html", "retour.html"):
        file = tmp_path / name
        file.write_text(
            rendered(name, "mot").replace(
                "</main>", "<script>document.title = 'pris'</script></main>"
            ),
            encoding="utf-8",
        )
        page.goto(file.as_uri())
        assert page.title() != "pris"


# -- words and commands ----------------------------------------------------------------------------

texts = st.text(st.characters(codec="utf-8"), max_size=60) | st.sampled_from(
    [*HOSTILE.values(), *HONEST]
)


@settings(max_examples=300, deadline=None)
@given(texts)
@example("\U0008fffe")  # no character, of a plane that nobody uses
def test_what_was_made_inert_stays_as_it_is(text: str) -> None:
    for make in (inert.line, inert.lines):
        made = make(text)
        assert active(made) == []
        assert make(made) == made
    assert "\n" not in inert.line(text)
    assert inert.shortened("y" * 5000, 100) == inert.shortened(
        inert.shortened("y" * 5000, 100), 100
    )


@settings(max_examples=60, deadline=None)
@given(texts)
@example("--all")
@example("a\nb")
@example("!! $x `y` \\")
@example("a'b\u202e")
def test_a_word_is_one_for_the_shell_and_nothing_else(text: str) -> None:
    text = text[:5000].replace("\0", "").encode("utf-8", "replace").decode()
    word = one_word(text)
    assert active(word) == []
    assert "\n" not in word
    said = subprocess.run(
        ["bash", "-c", f"printf '%s|' {word}"], capture_output=True, check=True
    ).stdout
    assert said.decode() == f"{text}|"


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("partage", "rolebinding partage"),
        ("a:b", "rolebinding a:b"),
        ("--all", "rolebinding/--all"),
        ("-n", "rolebinding/-n"),
        ("a b", "'rolebinding/a b'"),
        ("$(id)", "'rolebinding/$(id)'"),
        ("a,b", "rolebinding/a,b"),
    ],
)
def test_an_object_is_named_so_that_kubectl_takes_it_for_nothing_else(
    name: str, command: str
) -> None:
    assert thing("rolebinding", name) == command
    assert shlex.split(thing("rolebinding", name))[-1].endswith(name)


def test_a_name_is_one_for_sql_and_for_a_template() -> None:
    assert identifier('a"; drop table b; --') == '"a""; drop table b; --"'
    assert in_template("{{.data.x}}") == '{{"{{"}}.data.x}}'


# -- what would be forgotten -----------------------------------------------------------------------


def sources(*words: str) -> Iterator[tuple[Path, ast.Module]]:
    """The code that holds one of these words."""
    for path in sorted([*(ROOT / "checks").rglob("*.py"), *(ROOT / "labs").rglob("*.py")]):
        text = path.read_text(encoding="utf-8")
        if any(word in text for word in words):
            yield path, ast.parse(text)


def test_one_place_makes_consoles() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path, tree in sources("Console", "rich.print", "rich.get_console")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in ("Console", "rich.print", "rich.get_console")
    ]
    assert found == []


PROGRAM = ("kubectl ", "psql ", "chmod ", "kill ")
NAMES = (
    "cluster.namespace",
    "pod.name",
    "pod.namespace",
    "namespace",
    "PORT",
    "PROXY",
    "TEAM",
    "ROLE",
    "API",
)
REVIEWED: Mapping[str, Sequence[str]] = {
    "accounts": ("place", "secret"),
    "catalogue": ("key", "release.name", "release.namespace", "secret"),
    "connection": ("host", "server", "token", "user"),
    "deployments": ("container", "found.name", "name", "selector", "values"),
    "fronts": ("chosen", "deployment", "front.name", "marked", "others[0]", "place"),
    "kubectl": ('said or "il s’est arrêté sans rien dire"',),
    "launch": ("self.kind.lower()", "self.name", "self.namespace"),
    "leaks": ("place",),
    "machine": ("holder.pid",),
    "permissions": ("asked.verbs[0]", "name", "only", "resource", "there"),
    "programs": ("aim.namespace", "change", "service.name"),
    "services": ("name",),
    "stage": ("name",),
    "team": ("KEY",),
    "tools": ("server[0]", "server[1]", "shown(version.path)", "version.major", "version.minor"),
    "tp2": ("maker", "name"),
    "tp3": ("copy", "key", "name", "template"),
    "tp4": ("name", "policy", "service", "subject.pod.name"),
    "tp5": ("NAME", "place"),
    "tp6": ("name", "user"),
    "tp7": ('" ".join(names)', "chosen", "marked", "name", "other", "place"),
    "tp8": (
        *(
            "_removing(path)",
            "_removing(path[:2])",
            "at",
            "forget",
            "item.name",
            "item.resource",
            "only",
            "place.name",
        ),
        *("target", "verb"),  # in what removes a password
        *("administrator", "kinds", "name", "one.kind", "place", "pod"),
    ),
    "tp9": ('" ".join(names)', "EDITOR.listens", "aimed"),
    "tunnel": ("forward.kind", "forward.name", "pid", "self.local_port", "self.port"),
    "user_rules": ("API_VERSIONS[0]", "API_VERSIONS[1]"),
    "withdrawal": ("patch", "place"),
}
"""What was looked at, and holds plain characters alone: a name that the API server itself keeps to
RFC 1123, a number, a word of ours, or what `one_word` has made already."""


def test_what_follows_the_name_of_a_program_is_one_word_or_was_looked_at() -> None:
    """What fails here is to be given to `one_word`, or `thing`; else, looked at, and added
    above."""
    found = set()
    for path, tree in sources(*PROGRAM):
        module = path.parent.name[:3] if path.parent.parent.name == "labs" else path.stem
        for node in ast.walk(tree):
            if not isinstance(node, ast.JoinedStr) or not isinstance(node.values[0], ast.Constant):
                continue
            parts = node.values if str(node.values[0].value).startswith(PROGRAM) else []
            for part in parts:
                value = part.value if isinstance(part, ast.FormattedValue) else None
                if value is None or (
                    isinstance(value, ast.Call) and ast.unparse(value.func) in ("one_word", "thing")
                ):
                    continue
                written = ast.unparse(value).replace("'", '"')
                if written not in (*NAMES, *REVIEWED.get(module, ())):
                    found.add(f"{path.relative_to(ROOT)}:{node.lineno}: {written}")
    assert found == set()


def test_a_lesson_puts_in_a_command_what_was_looked_at() -> None:
    """Its commands are templates: what each names is a field, which the lab fills."""
    found = set()
    for path, tree in sources():
        if path.name != "lessons.py":
            continue
        reviewed = {"namespace", "pod", *REVIEWED.get(path.parent.name[:3], ())}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and str(node.value).startswith(PROGRAM):
                named = {
                    name
                    for _, name, _, _ in string.Formatter().parse(str(node.value))
                    if name is not None
                }
                found |= {
                    f"{path.relative_to(ROOT)}:{node.lineno}: {name}" for name in named - reviewed
                }
    assert found == set()
