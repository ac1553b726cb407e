"""Which pods a Service chooses, on which port, and whether they serve."""

from __future__ import annotations

from collections.abc import Sequence

from checks.diagnosis.workloads.readiness import not_ready
from checks.facts import Pod
from checks.lesson import Lesson
from checks.objects.services import Service
from checks.path import lessons
from checks.path.aims import Aim, family_of
from checks.path.outcome import Hop, Kind, Proof, broken

_ADVICE = "Corrigez ce qui l’a fabriqué, puis recommencez."


def broken_service(aim: Aim) -> Hop | None:
    """The hop of a Service that, as it is written, leads to no pod; None where it leads to some."""
    service, view = aim.service, aim.view
    if service is None or view is None:
        return None
    place = f"le Service {service.name}"
    if aim.entry is None and not service.is_headless:
        ports = ", ".join(str(one.port) for one in service.spec.ports)
        lesson: Lesson = lessons.PortNotDeclared(name=service.name, port=aim.port, ports=ports)
        return broken(Kind.SERVICE, place, lesson, view, Proof.READ)
    if not service.spec.selector:
        slices = [one for one in view.endpoint_slices() if one.service == service.name]
        if any(one.endpoints for one in slices):
            return None
        lesson = lessons.WithoutSelector(name=service.name)
        return broken(Kind.SERVICE, place, lesson, view, Proof.READ)
    selected = aim.selected()
    if not selected:
        wanted = ", ".join(f"{key}={value}" for key, value in service.spec.selector.items())
        lesson = lessons.SelectsNobody(
            name=service.name, wanted=wanted, nearest=_nearest(service, view.pods())
        )
        return broken(Kind.SERVICE, place, lesson, view, Proof.READ)
    addressed = [pod for pod in selected if pod.addresses]
    if addressed and not any(map(aim.address_of, addressed)):
        pod = addressed[0]
        lesson = lessons.FamilyOfNobody(
            name=service.name,
            families=" et ".join(service.spec.ip_families),
            pod=pod.name,
            addresses=" et ".join(pod.addresses),
            lines=("# dans spec", f"ipFamilies: [{family_of(pod.addresses[0])}]"),
        )
        return broken(Kind.SERVICE, place, lesson, view, Proof.READ)
    entry = aim.entry
    if entry is not None and all(aim.port_of(pod) is None for pod in selected):
        lesson = lessons.PortUnknownToPods(
            name=service.name, pod=selected[0].name, target=str(entry.target)
        )
        return broken(Kind.SERVICE, place, lesson, view, Proof.READ)
    return None


def _nearest(service: Service, pods: Sequence[Pod]) -> str:
    """The pod that carries most of what a Service asks for: the end of a sentence, "" for none."""
    asked = service.spec.selector.items()
    carried = [(len(asked & pod.labels.items()), pod) for pod in pods]
    shared = [
        (count, pod) for count, pod in carried if asked and pod.labels.keys() & {*dict(asked)}
    ]
    if not shared:
        return ""
    pod = max(shared, key=lambda one: one[0])[1]
    own = [f"{key}={pod.labels[key]}" for key, _ in asked if key in pod.labels]
    return f" Le pod {pod.name} porte {', '.join(own)}."


def broken_pods(aim: Aim) -> Hop | None:
    """The hop of pods of which none serves; None where some do."""
    view, selected = aim.view, aim.selected()
    if view is None or not selected or aim.doors:
        return None
    pod = selected[0]
    wrong = not_ready(view, pod, _ADVICE)
    return broken(Kind.POD, f"le pod {pod.name}", wrong, view, Proof.READ) if wrong else None


def of_several(aim: Aim, pod: Pod, hop: Hop) -> Hop:
    """The hop at which one of several pods behind a Service fails its clients."""
    assert aim.service is not None
    assert aim.view is not None
    if len(aim.doors) == 1:
        return hop
    lesson = lessons.OneOfSeveral(
        name=aim.service.name,
        pod=pod.name,
        count=len(aim.doors),
        why=hop.finding,
        because=hop.cause,
        remedy=hop.fix,
        commands=hop.fix_commands,
        lines=hop.fix_lines,
        look_first=hop.look_commands,
    )
    return broken(hop.id, hop.place, lesson, aim.view)
