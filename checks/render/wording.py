"""What a verdict says beside its sentences, wherever it is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from checks.capabilities import Cluster
from checks.errors import CahierError
from checks.findings import address
from checks.french import day, number, plural
from checks.installation import documentation
from checks.lab import Lab, next_lab
from checks.verdict import CheckResult, Status, Verdict

FINDING: Mapping[Status, str] = {
    Status.UNVERIFIED: "Raison",
    Status.ERROR: "Problème",
    Status.FAILED: "Constat",
}
CAUSE, LOOK, REMEDY, ANSWER = "Pourquoi", "Où voir", "Remède", "Corrigé"
LAST_RESORT = "En dernier recours, tout à la fois :"
ALL_RIGHT = "Tout est juste."
RECORDED = " (enregistré)"
_STEPS = ("cahier catalogue ",)
_TUNNEL = "un_tunnel_ecoute_sur_votre_poste"  # of several labs: what is closed when one goes home


def companion(cluster: Cluster) -> str:
    """The colleague, or all of them, in the words that follow the learner's own name; "" where
    there is none."""
    if not cluster.has_colleague:
        return ""
    try:
        given = cluster.colleagues
    except CahierError:  # the sentences that need to know them have told why
        return ""
    each = (f"{one.namespace} ({one.user})" if one.user else one.namespace for one in given)
    return f" · collègue{'s' if len(given) > 1 else ''} : {', '.join(each)}"


def has_lesson(result: CheckResult) -> bool:
    """Whether more is said of a sentence than its mark."""
    return result.status not in (Status.PASSED, Status.SKIPPED)


def points(result: CheckResult) -> str:
    """`0/2`."""
    return f"{number(result.points)}/{number(result.points_max)}"


def score(verdict: Verdict) -> str:
    """`3/10 points`."""
    return f"{number(verdict.points)}/{number(verdict.points_max)} points"


def parted(commands: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """What is done before the lab's own solution is applied, in the catalogue, and what does it all
    at once."""
    first = next((at for at, one in enumerate(commands) if not one.startswith(_STEPS)), 0)
    if any(one.startswith("cahier solution ") for one in commands[first:]):
        return commands[:first], commands[first:]
    return commands, ()


def farewell(lab: Lab) -> str:
    """What is said when all is right."""
    return f"{lab.title} est terminé : bravo !"


def following(lab: Lab) -> str:
    """The lab to begin then; "" after the last one."""
    after = next_lab(lab)
    return f"Ensuite : cahier commencer {after.short_name} ({after.about.title})" if after else ""


def left_to_do(verdict: Verdict) -> str:
    """What a verdict that is not wholly right ends with."""
    failed = _failed(verdict)
    if failed:
        return f"{score(verdict)}, {plural(len(failed), 'erreur')} à corriger."
    return f"{score(verdict)}. Rien n’est faux, mais tout n’a pas pu être vérifié."


def once_done(verdict: Verdict, done: float) -> str:
    """What was wholly right at `done` (seconds since the epoch) and is no longer; "" for never."""
    if not done:
        return ""
    unsure = (one for one in verdict.checks if one.status is not Status.PASSED)
    lost = next(iter(_failed(verdict)), None) or next(unsure)
    return f"Vous aviez terminé ce TP le {day(done)} : cela reste acquis. " + (
        "Votre tunnel a été fermé depuis."
        if lost.id == _TUNNEL
        else f"Depuis, ceci n’est plus vrai, ou n’a pas pu être vérifié : « {lost.title} »"
    )


def online(lab: Lab, verdict: Verdict) -> str:
    """Where the site tells of what is wrong first; "" where this installation knows of no site."""
    failed = _failed(verdict)
    site = documentation() if failed else ""
    where = address(lab, failed[0]) if site else ""
    return f"{site}{where}" if where else ""


def _failed(verdict: Verdict) -> Sequence[CheckResult]:
    return [result for result in verdict.checks if result.status is Status.FAILED]
