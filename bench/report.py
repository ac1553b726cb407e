"""The results in words: a table for the terminal, Markdown for the site."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.table import Table

from bench.measure import Cost
from bench.results import FILE, LabResult, Machine, Results, read

_HELP_SECONDS = 0.15
_LAB_SECONDS = 1.0
_EXPERIMENTS = {"tp4": 3.0, "tp8": 3.0, "tp7": 0.0}
"""Labs whose checks place pods or break some: seconds too, 0 where what is broken takes its own
time to come back."""
_PAUSED = (
    0.5  # seconds that a script sleeps, from which the comparison without them is worth a line
)
_SOON_FOR = 300  # people whose changes are shown as soon as those of a small class
_SHOWN_SOON, _SHOWN = 2.0, 5.0  # seconds
_REQUESTS = 10  # in a second
_CLASS_RATIO = 20
_MEMORY = 500
_PAGES = (("clair", "light"), ("sombre", "dark"))


def number(value: float) -> str:
    """Two digits at least, as French writes them."""
    text = f"{value:.2g}" if abs(value) < 10 else f"{value:_.0f}"
    return text.replace(".", ",").replace("_", "\u202f")


def seconds(value: float) -> str:
    """A duration, in the unit that suits it."""
    if value < 1:
        return f"{value * 1000:.0f} ms"
    if value < 100:
        return f"{number(value)} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest:02} s"


def ratio(ours: float, theirs: float) -> str:
    """How many times less ours takes."""
    return f"× {number(theirs / ours)}"


def growth(results: Results) -> float:
    """Time per learner at the largest size, for 1 at the smallest: 1 is linear."""
    first, last = results.scale[0], results.scale[-1]
    return (last.cost.wall / last.learners) / (first.cost.wall / first.learners)


def table(results: Results) -> Table:
    """Every measure beside what it is compared with, and the aim."""
    shown = Table(title="cahier et des scripts kubectl, sur le même cluster")
    for title in ("mesure", "cahier", "comparé à", "rapport", "but"):
        shown.add_column(title, justify="left" if title == "mesure" else "right")
    for row in _rows(results):
        shown.add_row(*row)
    return shown


def _rows(results: Results) -> Iterator[Sequence[str]]:
    yield "cahier --help", seconds(results.help.wall), "", "", f"< {seconds(_HELP_SECONDS)}"
    for lab in results.labs:
        name = f"cahier verifier {lab.lab}, {_state(lab)}"
        yield name, *_compared(lab.ours, lab.script), _aim(lab)
        if lab.script.wall - lab.unpaused.wall > _PAUSED:
            yield "  script sans attente", *_compared(lab.ours, lab.unpaused), ""
    room = results.classroom
    yield (
        f"classe de {room.learners} × {room.labs} TP",
        *_compared(room.ours, room.script),
        f"≥ × {_CLASS_RATIO}",
    )
    yield (
        "  requêtes par personne",
        number(room.ours_requests),
        number(room.script_requests),
        ratio(room.ours_requests, room.script_requests),
        "",
    )
    yield "  mêmes verdicts", f"{room.agreed} sur {room.measured}", "", "", "tous"
    for one in results.scale:
        yield (
            f"{number(one.learners)} personnes × {one.labs} TP",
            seconds(one.cost.wall),
            "",
            "",
            "",
        )
        yield "  mémoire", f"{number(one.cost.memory)} Mio", "", "", f"< {_MEMORY} Mio"
        yield "  requêtes par personne", number(one.requests), "", "", ""
    if len(results.scale) > 1:
        yield (
            "  durée par personne, de la petite à la grande",
            "",
            "",
            f"× {number(growth(results))}",
            "≤ × 1",
        )
    for board in results.followed:
        aim = _SHOWN_SOON if board.learners <= _SOON_FOR else _SHOWN
        yield (
            f"tableau de {number(board.learners)} personnes, un changement au plus",
            seconds(board.worst),
            "",
            "",
            f"< {seconds(aim)}",
        )
        yield (
            "  requêtes par seconde au plus",
            number(board.requests_most),
            "",
            "",
            f"≤ {_REQUESTS}",
        )


def _state(lab: LabResult) -> str:
    return "juste" if lab.right else "au départ"


def _aim(lab: LabResult) -> str:
    most = _EXPERIMENTS.get(lab.lab, _LAB_SECONDS)
    return f"≤ {seconds(most)}" if most else ""


def _compared(ours: Cost, theirs: Cost) -> Sequence[str]:
    return seconds(ours.wall), seconds(theirs.wall), ratio(ours.wall, theirs.wall)


# -- the page --------------------------------------------------------------------------------------


def machine() -> str:
    """Where and when it was measured: one sentence."""
    found = read(FILE)
    return _machine(found.machine, f"{found.date:%d/%m/%Y}")


def _machine(one: Machine, day: str) -> str:
    return (
        f"Mesuré le {day} sur le petit SSPCloud local : {one.cores} cœurs (`{one.processor}`), "
        f"{one.memory} Gio de mémoire, Kubernetes {one.kubernetes}, kubectl {one.kubectl}, Python "
        f"{one.python}. La machine avait {number(one.load)} tâche{'s' if one.load >= 2 else ''} en "
        "cours en moyenne avant de commencer."
    )


def one_learner() -> str:
    """Markdown table: one lab of one learner."""
    found = read(FILE)
    lines = [
        "| ce qui est lancé | état | durée | processeur | script des pairs | rapport | sans ses "
        "attentes |",
        "|---|---|---|---|---|---|---|",
        f"| `cahier --help` | | {seconds(found.help.wall)} | {seconds(found.help.processor)} | | | "
        "|",
    ]
    for lab in found.labs:
        paused = lab.script.wall - lab.unpaused.wall > _PAUSED
        unpaused = (
            f"{seconds(lab.unpaused.wall)} ({ratio(lab.ours.wall, lab.unpaused.wall)})"
            if paused
            else ""
        )
        lines.append(
            f"| `cahier verifier {lab.lab}` | {_state(lab)} | {seconds(lab.ours.wall)} | "
            f"{seconds(lab.ours.processor)} | {seconds(lab.script.wall)} | "
            f"**{ratio(lab.ours.wall, lab.script.wall)}** | {unpaused} |"
        )
    return "\n".join(lines)


def one_class() -> str:
    """Markdown table: the class whose pods run."""
    room = read(FILE).classroom
    rows = (
        (
            "durée",
            seconds(room.ours.wall),
            seconds(room.script.wall),
            ratio(room.ours.wall, room.script.wall),
        ),
        (
            "processeur",
            seconds(room.ours.processor),
            seconds(room.script.processor),
            ratio(room.ours.processor, room.script.processor),
        ),
        (
            "requêtes à l’API, par personne",
            number(room.ours_requests),
            number(room.script_requests),
            ratio(room.ours_requests, room.script_requests),
        ),
    )
    lines = [
        f"| {room.learners} personnes, {room.labs} TP, {room.pods} pods | `cahier noter` | scripts "
        "à la suite | rapport |",
        "|---|---|---|---|",
        *(f"| {words} | {ours} | {theirs} | **{times}** |" for words, ours, theirs, times in rows),
    ]
    return "\n".join(lines)


def same_verdicts() -> str:
    """How the comparison was made: sentences."""
    room = read(FILE).classroom
    whole = room.learners * room.labs
    part = (
        f"Les {whole} scripts ont tous été lancés"
        if room.measured == whole
        else f"{room.measured} scripts sur {whole} ont été lancés, et leur durée est étendue à tous"
    )
    agreed = "tous" if room.agreed == room.measured else f"{room.agreed} sur {room.measured}"
    return f"{part}. Leurs verdicts sont les nôtres : {agreed}."


def many() -> str:
    """Markdown table: namespaces without pods."""
    found = read(FILE)
    lines = [
        "| personnes | durée | processeur | mémoire au plus | requêtes par personne | durée par "
        "personne |",
        "|---|---|---|---|---|---|",
    ]
    for one in found.scale:
        lines.append(
            f"| {number(one.learners)} | {seconds(one.cost.wall)} | {seconds(one.cost.processor)} "
            f"| {number(one.cost.memory)} Mio | {number(one.requests)} | "
            f"{seconds(one.cost.wall / one.learners)} |"
        )
    return "\n".join(lines)


def followed() -> str:
    """Markdown table: the board of a class, on namespaces without pods."""
    found = read(FILE).followed
    if not found:
        return "Ces figures ne sont pas encore dans `bench/results.json` : `make bench` les y met."
    lines = [
        "| personnes | tout regardé en | un changement est montré en (médiane) | au plus | "
        "requêtes par seconde, au plus | au calme | mémoire au plus |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in found:
        lines.append(
            f"| {number(one.learners)} | {seconds(one.begins)} | {seconds(one.median)} | "
            f"{seconds(one.worst)} | {number(one.requests_most)} | {number(one.requests_calm)} | "
            f"{number(one.memory)} Mio |"
        )
    return "\n".join(lines)


def picture() -> str:
    """Markdown: the picture for either page, with what it shows in words."""
    words = _described(read(FILE))
    return "\n".join(
        f"![{words}](../../assets/mesures-{page}.svg#only-{way})" for page, way in _PAGES
    )


def _described(found: Results) -> str:
    room = found.classroom
    labs = ", ".join(
        f"{lab.lab} en {seconds(lab.ours.wall)} contre {seconds(lab.script.wall)}"
        for lab in found.labs
        if lab.right
    )
    sizes = ", ".join(
        f"{number(one.learners)} personnes en {seconds(one.cost.wall)} et "
        f"{number(one.cost.memory)} Mio"
        for one in found.scale
    )
    return (
        f"Durées de cahier et des scripts. Un TP : {labs}. Une classe de {room.learners} : "
        f"{seconds(room.ours.wall)} contre {seconds(room.script.wall)}. Grandes classes : {sizes}."
    )
