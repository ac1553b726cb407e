"""A lab on disk: one folder that holds all of it, read here and nowhere else."""

from __future__ import annotations

import importlib
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import msgspec

from checks.errors import UsageError
from checks.facts import Level
from checks.verification import Check

TO_DO = "À FAIRE"
"""Marks, in a starter file, what is to be written."""
_WORD = re.compile(r"[\w.-]*[A-Za-z][\w.-]*")
_PACKAGE = Path(__file__).parent
_IN_WHEEL = _PACKAGE / "_labs"


def labs_folder() -> Path:
    """Folder of the labs: inside the wheel, or `labs/` of the checkout."""
    return _IN_WHEEL if _IN_WHEEL.is_dir() else _PACKAGE.parent / "labs"


def _labs_package() -> str:
    """The same folder, as the package that holds each lab's."""
    return f"{_PACKAGE.name}._labs" if _IN_WHEEL.is_dir() else "labs"


class Story(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The names that the lab's files use, replaced by the learner's own when they differ."""

    namespace: str = "user-alice"
    colleague: str = "user-bob"
    database: str = "postgresql-cnpg-951239"


class Hop(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One station of the drawn path; `link` is the way that leads to it, proven by `checks`."""

    place: str
    link: str = ""
    checks: tuple[str, ...] = ()
    seen_by: tuple[str, ...] = ()
    """Checks that show what `checks` have only read: without them, the way is not ticked."""
    stands: tuple[str, ...] = ()
    """Checks of the station itself."""
    closed: tuple[str, ...] = ()
    """Checks that nobody else passes there: what fails is too open, the way goes on."""
    lasting: tuple[str, ...] = ()
    """Checks of what the station needs to stay: the way goes on for now."""

    @property
    def drawn(self) -> tuple[str, ...]:
        """All the checks that have their place on this hop."""
        return (*self.checks, *self.stands, *self.closed, *self.lasting)


class State(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A state of the learner's work: files applied, then commands run as the learner.

    A command that ends with ` &` stays open in a second terminal (a port-forward).
    `colleague_commands` are run first, as the colleague.
    """

    commands: tuple[str, ...] = ()
    colleague_commands: tuple[str, ...] = ()
    fails: tuple[str, ...] = ()


Role = Literal["relay", "owner", ""]
Family = Literal["erreurs", "variantes"]
"""Folders of cases of a lab: what is wrong, and what is right otherwise than the solution."""


class Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A typical mistake or another right answer (`case.toml`): what differs from the solution.

    `base` names the files it starts from; the case's own YAML replaces files of the same name, and
    `without` leaves some out. `team`, where several colleagues are declared: the story's names of
    those after the lab's own. `commands` None keeps the solution's. `then` are run last. `fails` is
    the check that must fail, `finding` words of its finding; `no_remedy` says why no command of
    ours can repair it (only the learner can decide). `operated`, where the platform's operator
    undoes the mistake: the check that fails all the same, "" for none.
    """

    description: str
    team: tuple[str, ...] = ()
    base: Literal["solution", "depart", "none"] = "solution"
    without: tuple[str, ...] = ()
    commands: tuple[str, ...] | None = None
    colleague_commands: tuple[str, ...] = ()
    then: tuple[str, ...] = ()
    fails: str = ""
    finding: tuple[str, ...] = ()
    no_remedy: str = ""
    operated: str | None = None


class LabFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`lab.toml`."""

    title: str
    summary: str
    duration_minutes: int
    objectives: tuple[str, ...]
    out_of_scope: tuple[str, ...] = ()
    prerequisites: tuple[str, ...] = ()
    colleague: Literal["required", "optional", "none"] = "none"
    roles: str = ""
    """Who does what, where the lab is done by two people."""
    team: bool = False
    """Whether it is done with several colleagues too: elsewhere the first alone is of use."""
    role: Level = ""
    """With what role it can be done and verified."""
    port: int | None = None
    port_speaks: Literal["", "http", "postgresql"] = ""
    """What answers on the local port, where the log of the learner's own pod keeps a word said to
    it."""
    heard: tuple[str, ...] = ()
    """Checks for which a receipt vouches only where its word was heard."""
    heard_by: Literal["owner", "colleague"] = "owner"
    """Who must have heard it: the learner's own pod, or a PostgreSQL of the colleague's, to which
    the pods that these checks connect to lead."""
    story: Story = Story()
    setup: State = State()
    start: State = State()
    solution: State = State()
    made: tuple[str, ...] = ()
    """What its page and its remedies make beside its files: `KIND/NAME`, where `*` stands for
    anything, or `KIND -l LABEL`."""
    path: tuple[Hop, ...] = ()
    hints: Mapping[str, tuple[str, ...]] = {}
    proven_elsewhere: Mapping[str, str] = {}
    """Checks that no state of a namespace can make fail first: what proves them instead."""


@dataclass(frozen=True)
class Lab:
    """A lab: its folder, its `lab.toml` and its checks, each read when it is asked for."""

    folder: Path

    @cached_property
    def about(self) -> LabFile:
        """What `lab.toml` says. Raises UsageError."""
        return _read(self.folder / "lab.toml")

    @property
    def name(self) -> str:
        """Folder name, such as tp5_proxy_socat."""
        return self.folder.name

    @property
    def short_name(self) -> str:
        """Name for the command line, such as tp5."""
        return self.name.partition("_")[0]

    @property
    def title(self) -> str:
        """Its name in a sentence, such as « Le TP 5 »."""
        return f"Le TP {self.short_name.removeprefix('tp')}"

    @property
    def role(self) -> Role:
        """Whose lab it is of two people: the one who relays starts from a base that a colleague has
        launched; "" where it is everybody's."""
        if self.about.colleague != "required":
            return ""
        return "relay" if self.about.setup.colleague_commands else "owner"

    @property
    def page(self) -> Path:
        """The lab's page."""
        return self.folder / "enonce.md"

    @property
    def recording(self) -> Path:
        """The lab as `cahier demo` has played it on a real cluster."""
        return self.folder / "enregistrement.json.gz"

    @cached_property
    def checks(self) -> tuple[Check, ...]:
        """The checks of `verifications.py`, in the order they are written."""
        module = importlib.import_module(f"{_labs_package()}.{self.name}.verifications")
        return tuple(value for value in vars(module).values() if isinstance(value, Check))

    def with_port(self, text: str, port: int) -> str:
        """A text of the lab where the learner's own local port takes the place of the lab's."""
        default = self.about.port
        if default is None or port in (0, default):
            return text
        return re.sub(
            rf"(?<=localhost:){default}\b|(?<=127\.0\.0\.1:){default}\b|\b{default}(?=:\d)",
            str(port),
            text,
        )

    def files(self, state: str) -> Mapping[str, str]:
        """YAML files of `depart` or `solution`: name to text."""
        return _yaml_files(self.folder / state)

    @cached_property
    def placeholders(self) -> Sequence[str]:
        """The words that the starter files leave in the place of what is to be written."""
        solved = {word for text in self.files("solution").values() for word in _WORD.findall(text)}
        marked = (
            line
            for text in self.files("depart").values()
            for line in text.splitlines()
            if TO_DO in line
        )
        words = (word for line in marked for word in _WORD.findall(line.partition("#")[0]))
        return list(dict.fromkeys(word for word in words if word not in solved))

    def left_as_given(self, text: str) -> str:
        """What to say of the first of these words that a text quotes; "" for none."""
        for word in self.placeholders:
            if re.search(rf"(?<![\w.-]){re.escape(word)}(?![\w-])", text):
                mark = TO_DO.replace(" ", "\u00a0")
                given = f"« {word} » est resté comme dans le fichier de départ"
                return f"{given} : c’est un endroit marqué «\u00a0{mark}\u00a0»."
        return ""

    def cases(self, family: Family) -> Mapping[str, Case]:
        """The lab's mistakes or other right answers, by name."""
        folder = self.folder / family
        if not folder.is_dir():
            return {}
        return {path.parent.name: _case(path) for path in sorted(folder.glob("*/case.toml"))}

    def case_files(self, family: Family, name: str) -> Mapping[str, str]:
        """All YAML files of a case, its base included."""
        case = _case(self.folder / family / name / "case.toml")
        base = {} if case.base == "none" else dict(self.files(case.base))
        files = {**base, **_yaml_files(self.folder / family / name)}
        return {file: text for file, text in files.items() if file not in case.without}


def _case(path: Path) -> Case:
    return msgspec.toml.decode(path.read_bytes(), type=Case)


def all_labs() -> Sequence[Lab]:
    """Every lab, in order."""
    folders = sorted((path.parent for path in labs_folder().glob("tp*/lab.toml")), key=_place)
    return [Lab(folder) for folder in folders]


def _place(folder: Path) -> tuple[int, str]:
    """tp10 comes after tp9."""
    number = re.match(r"tp(\d+)", folder.name)
    return int(number[1]) if number else 0, folder.name


def statement(name: str) -> str:
    """Where the site has the statement of a lab, from its root."""
    return f"labs/{name}/enonce/"


def earlier(lab: Lab) -> Sequence[Lab]:
    """The labs that a lab builds on, and those that these build on."""
    direct = [find_lab(name) for name in lab.about.prerequisites]
    found = {one.name: one for other in direct for one in (*earlier(other), other)}
    return list(found.values())


def next_lab(lab: Lab) -> Lab | None:
    """The lab that comes after this one."""
    later = [one for one in all_labs() if _place(one.folder) > _place(lab.folder)]
    return later[0] if later else None


def find_lab(name: str) -> Lab:
    """The lab called `tp5_proxy_socat`, `tp5` or `5`. Raises UsageError when there is none."""
    labs = all_labs()
    wanted = name.strip().lower().rstrip("/").removeprefix("labs/")
    for lab in labs:
        if wanted in (lab.name, lab.short_name, lab.short_name.removeprefix("tp")):
            return lab
    known = ", ".join(lab.short_name for lab in labs)
    raise UsageError(
        f"« {name} » n’est pas un TP du cahier.", f"Les TP sont : {known}. Voir : cahier lister"
    )


def _read(path: Path) -> LabFile:
    try:
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), LabFile)
    except (msgspec.ValidationError, tomllib.TOMLDecodeError) as error:
        raise UsageError(
            f"{path.parent.name}/lab.toml : {error}", "Corrigez ce fichier du TP."
        ) from error


def _yaml_files(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.yaml"))}
