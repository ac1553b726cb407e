"""The learner's own machine: local ports of the labs, disk, and what the local cluster needs."""

from __future__ import annotations

import errno
import os
import socket
import tempfile
from collections.abc import Iterator, Mapping, Sequence

import psutil

from checks import places, state
from checks.access import kubeconfig, proxies
from checks.capabilities import Machine
from checks.doctor.lines import Answer, failed, passed, shown, skipped, trouble
from checks.errors import AccessError, CahierError
from checks.facts import Listener
from checks.french import enumeration
from checks.lab import all_labs
from checks.local_sspcloud import engine, messages
from checks.local_sspcloud.creation import last_failure
from checks.local_sspcloud.engine import Engine
from checks.local_sspcloud.messages import Trouble

_NEEDED = 200 * 2**20  # bytes: progress is small, but a full disk breaks every other program too
_NEEDED_BY_A_CLUSTER = 5 * 2**30  # bytes: the private engine and its images are in the state folder
_OF_LIBPQ = ("PGHOST", "PGPORT", "PGDATABASE", "PGUSER", "PGPASSWORD")
_ONLY_LOCAL = "Il n’en faut que pour le petit SSPCloud local, sur votre poste."


def is_local(server: str) -> bool:
    """Whether this address is that of a cluster on this machine."""
    if proxies.is_loopback(server):
        return True
    try:
        return kubeconfig.read(str(places.admin_kubeconfig())).server == server
    except (AccessError, OSError):
        return False


def lab_ports() -> Mapping[int, Sequence[str]]:
    """Local ports of the labs, with the labs that use each."""
    ports: dict[int, list[str]] = {}
    for lab in all_labs():
        if lab.about.port is not None:
            ports.setdefault(lab.about.port, []).append(lab.short_name)
    return ports


def ports(machine: Machine) -> Answer:
    """Whether the local ports of the labs are free, or held by a tunnel of the learner's."""
    free: list[str] = []
    tunnels: list[str] = []
    taken: list[str] = []
    commands: list[str] = []
    for port, labs in lab_ports().items():
        used_by = ", ".join(labs)
        holders = machine.listeners(port)
        stranger = next((one for one in holders if one.forward is None), None)
        if stranger is not None:
            taken.append(f"Le port {port} ({used_by}) est tenu par {_named(stranger)}.")
            commands += _stop(stranger)
        elif holders and holders[0].forward is not None:
            forward = holders[0].forward
            tunnels.append(f"le port {port} par votre tunnel vers {forward.kind}/{forward.name}")
        else:
            refusal = _refusal(port)
            if refusal:
                taken.append(f"Le port {port} ({used_by}) ne peut pas être pris : {refusal}.")
            else:
                free.append(f"{port} ({used_by})")
    if taken:
        return failed(
            " ".join(taken),
            "Arrêtez ce programme, ou prenez un autre port local dans votre commande « kubectl "
            "port-forward » et donnez-le à la vérification : cahier verifier TP --port 15000"
            + (". Pour l’arrêter :" if commands else ""),
            *commands,
        )
    parts = [f"Libres : {', '.join(free)}"] if free else []
    parts += [f"Tenu : {words}" for words in tunnels]
    return passed(". ".join(parts) + ".")


def _named(holder: Listener) -> str:
    if holder.pid is None:
        return "un programme d’un autre compte de ce poste"
    return f"« {holder.process or '?'} » (processus {holder.pid})"


def _stop(holder: Listener) -> Iterator[str]:
    if holder.pid is not None:
        yield f"taskkill /PID {holder.pid}" if os.name == "nt" else f"kill {holder.pid}"


def _refusal(port: int) -> str:
    """Why this port cannot be had, "" when it can."""
    with socket.socket() as tried:
        if os.name != "nt":  # as kubectl does: a port that was in use a moment ago is free
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return "un programme que l’on ne peut pas voir d’ici le tient"
            return error.strerror or str(error)
    return ""


def psql_variables(environment: Mapping[str, str]) -> Answer:
    """Which variables psql, and all that is built on libpq, would obey without being told: a
    service of the platform that is launched while its owner has a database starts with those of
    that database."""
    given = [name for name in _OF_LIBPQ if environment.get(name)]
    if not given:
        return passed("Aucune : psql n’emploie que ce que vous tapez.")
    server = f" pour « {environment['PGHOST']} »" if environment.get("PGHOST") else ""
    found = f"{enumeration(given)} : posées{server}."
    if "PGPASSWORD" not in given:
        return passed(found)
    return passed(
        found,
        "Dans un tunnel ou un relais vers une autre base, psql enverrait ce mot de passe sans rien "
        "demander ; avec l’option -W, il demande toujours celui de la base.",
    )


def disk(local_sspcloud: bool) -> Answer:
    """Whether the state folder can be written, and has room; `local_sspcloud`: for a cluster as
    well."""
    folder = state.folder()
    present = next(parent for parent in (folder, *folder.parents) if parent.exists())
    moved = "ou donnez au cahier un autre dossier :"
    try:
        with tempfile.TemporaryFile(dir=present):
            pass
    except OSError as error:
        return failed(
            f"Le dossier {shown(folder)} ne peut pas être écrit ({error.strerror}).",
            f"Rendez-le accessible à votre compte, {moved}",
            state.move_elsewhere(),
            cause="Votre avancement et vos indices n’y sont pas retenus.",
        )
    left = psutil.disk_usage(str(present)).free
    needed = _NEEDED_BY_A_CLUSTER if local_sspcloud else _NEEDED
    if left < needed:
        return failed(
            f"Il reste {_size(left)} pour {shown(folder)}, il en faut {_size(needed)}.",
            "Libérez de la place (un moteur de conteneurs en tient souvent beaucoup : « docker "
            f"system df »), {moved}",
            "export CAHIER_ETAT=/un/disque/plus/grand",
        )
    return passed(f"{_size(left)} libres pour {shown(folder)}.")


def _size(count: int) -> str:
    """Bytes in the unit that suits."""
    if count < 2**30:
        return f"{count / 2**20:.0f} Mio"
    return f"{count / 2**30:.1f} Gio".replace(".", ",")


def engines(found: Sequence[Engine | Trouble], needed: bool) -> Answer:
    """Whether a container engine answers; `needed`: the learner works on the local cluster."""
    working = [one for one in found if isinstance(one, Engine)]
    troubles = [one for one in found if isinstance(one, Trouble)]
    if working:
        told = [
            f"{one.title[0].upper()}{one.title[1:]} {one.version}".strip() + " répond"
            for one in working
        ]
        told += [one.message.rstrip(".") for one in troubles]
        return passed("".join(f"{words}. " for words in told).strip())
    if troubles:
        message = " ".join(one.message for one in troubles)
        if needed:
            return failed(message, troubles[0].remedy)
        return skipped(f"{message} {_ONLY_LOCAL}", troubles[0].remedy)
    missing = f"{messages.NO_ENGINE}."
    if needed and engine.private_unsupported() is not None:
        return failed(missing, messages.INSTALL_ENGINE)
    return skipped(f"{missing} {_ONLY_LOCAL}")


def kind(found: Sequence[Engine | Trouble], needed: bool) -> Answer:
    """Whether kind is there and recent enough, and how the local cluster is."""
    working = [one for one in found if isinstance(one, Engine)]
    if not working:
        return skipped("kind n’a d’emploi qu’avec un moteur de conteneurs qui répond.")
    holder = next((one for one in working if _nodes(one)), working[0])
    try:
        path = holder.kind()
        version = engine.kind_version(path)
    except CahierError as error:
        if needed:
            return trouble(error)
        return skipped(f"{error.message} {_ONLY_LOCAL}", error.remedy)
    known = (
        f"kind {version[0]}.{version[1]} ({shown(path)})"
        if version
        else f"kind ({shown(path)}) ne dit pas sa version"
    )
    nodes = _nodes(holder)
    stopped = [one.name for one in nodes if not one.running]
    if stopped and needed:
        return failed(
            f"{known}. Le cluster local est arrêté ({', '.join(stopped)}).",
            "Redémarrez-le :",
            "cahier cluster creer",
        )
    failure = last_failure(holder) if needed and not nodes else None
    if failure is not None:
        return failed(
            f"{known}. Le cluster local n’a pas pu être fait. {failure.message}", failure.remedy
        )
    if not nodes:
        return passed(f"{known}. Il n’y a pas de cluster local.")
    return passed(
        f"{known}. Le cluster local {'est arrêté' if stopped else 'tourne'} ({holder.title})."
    )


def _nodes(holder: Engine) -> Sequence[engine.Node]:
    try:
        return holder.nodes()
    except CahierError:
        return []
