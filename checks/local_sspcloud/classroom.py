"""An invented class on the local cluster: made, or completed, and removed whole.

Its namespaces bear its seed as a label, which another field manager than ours sets: whoever is made
again keeps it, and nobody else's namespace is taken for the class's. The teacher has a namespace as
long as there is a class.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence, Set
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec
import yaml

from checks import interruption
from checks.errors import CahierError, UsageError
from checks.files import write_atomically
from checks.french import plural
from checks.local_sspcloud import people
from checks.local_sspcloud.invented import Invented
from checks.local_sspcloud.progress import Tell
from checks.places import folder as cluster_folder
from checks.places import history_of, write_private
from checks.waiting import tries

if TYPE_CHECKING:
    from checks.access.kubernetes_api import Api

LABEL = "cahier-kubernetes/classe"
ROSTER = "classe.csv"
KUBECONFIGS = "kubeconfigs"
_MANAGER = "cahier-classe"
_TEACHER_S = "enseignant"
_AT_ONCE = 8
_GONE_SECONDS = 180.0

_T = TypeVar("_T")


def populate(api: Api, admin: Path, class_: Sequence[Invented], seed: int, tell: Tell) -> None:
    """Make whoever is missing, and the teacher with a namespace of their own. Raises CahierError;
    what is made stays, and is kept the next time."""
    _require_free(api, class_)
    people.create_teacher(api, admin)
    names = [people.TEACHER, *(one.account for one in class_)]
    each(names, lambda name: _make(api, admin, name, seed), tell)


def members(api: Api, seed: int | None = None) -> Sequence[str]:
    """Names of those who are of a class; of any, or of this one. Raises AccessError."""
    return sorted(
        namespace.removeprefix(people.namespace_of(""))
        for namespace, label in _labelled(api)
        if label != _TEACHER_S and (seed is None or label == str(seed))
    )


def depopulate(api: Api, seed: int | None, tell: Tell) -> Sequence[str]:
    """Remove a class, or all of them, and what was written about it; who it was. Raises
    CahierError."""
    names = members(api, seed)
    each(names, lambda name: people.remove_person(api, name), tell)
    going = {people.namespace_of(name) for name in names}
    if set(members(api)) <= set(names):  # there is no other class
        for namespace, label in _labelled(api):
            if label == _TEACHER_S:
                people.remove_namespace(api, namespace)
                going.add(namespace)
    _wait_until_gone(api, going, tell)
    _forget_files(seed)
    return names


def _wait_until_gone(api: Api, going: Set[str], tell: Tell) -> None:
    for _ in tries(_GONE_SECONDS, 0.5):
        left = sorted(going & {namespace for namespace, _label in _labelled(api)})
        if not left:
            return
        interruption.check()
        tell(f"reste {plural(len(left), 'namespace')} à vider")
    raise CahierError(
        f"{plural(len(left), 'namespace')} n’en finissent pas d’être supprimés après "
        f"{_GONE_SECONDS:.0f} s : {', '.join(left)}.",
        "Relancez la même commande.",
    )


def _labelled(api: Api) -> Iterator[tuple[str, str]]:
    """Namespaces that a class has made, and their label."""
    for item in api.everywhere("Namespace"):
        label = (item["metadata"].get("labels") or {}).get(LABEL)
        if label is not None:
            yield item["metadata"]["name"], label


def each(these: Sequence[_T], do: Callable[[_T], object], tell: Tell) -> None:
    """Do it for each, several at once. Raises the first trouble, once what had begun has ended."""
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="classe") as pool:
        try:
            done = as_completed([pool.submit(do, one) for one in these])
            for count, ended in enumerate(done, 1):
                ended.result()
                tell(f"{count} sur {len(these)}")
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _require_free(api: Api, class_: Sequence[Invented]) -> None:
    """Raises UsageError where a namespace is somebody else's."""
    ours = {namespace for namespace, _label in _labelled(api)}
    there = {item["metadata"]["name"] for item in api.everywhere("Namespace")}
    taken = there - ours
    met = [one.namespace for one in class_ if one.namespace in taken]
    if met:
        raise UsageError(
            f"{', '.join(met)} : namespace déjà pris, qui n’est pas celui d’une classe inventée.",
            "Inventez d’autres personnes, par exemple avec --graine 2.",
        )


def _make(api: Api, admin: Path, name: str, seed: int) -> None:
    namespace = people.namespace_of(name)
    label = _TEACHER_S if name == people.TEACHER else str(seed)
    people.wait_until_not_terminating(api, namespace)
    space = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": namespace, "labels": {LABEL: label}},
    }
    api.apply(f"/api/v1/namespaces/{namespace}", space, manager=_MANAGER)
    if name == people.TEACHER:
        people.create_namespace(api, name)
    else:
        people.create_person(api, admin, name)


# -- its files -------------------------------------------------------------------------------------


class _Roster(msgspec.Struct):
    """A roster that was written, and the kubeconfigs beside it."""

    seed: int
    text: str
    people: list[str]


class _Written(msgspec.Struct):
    """What was written, so that nothing else is ever removed: each roster, by its path."""

    rosters: dict[str, _Roster]


def require_ours(folder: Path, roster: str) -> None:
    """Raises UsageError where the folder has another roster than this one, or than ours."""
    file = folder / ROSTER
    try:
        there = file.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return
    except OSError as error:
        raise _unwritable(folder, error) from error
    ours = _written().rosters.get(str(file.absolute()))
    if there != roster and (ours is None or there != ours.text):
        raise UsageError(
            f"{file} existe déjà, et n’est pas d’ici ou a changé depuis.",
            "Choisissez un autre dossier avec --dossier.",
        )


def write_files(folder: Path, roster: str, class_: Sequence[Invented], seed: int) -> None:
    """The roster, and a kubeconfig for each of the class and the teacher. Raises CahierError."""
    names = [people.TEACHER, *(one.account for one in class_)]
    try:
        for name in names:
            text = people.kubeconfig_path(name).read_text(encoding="utf-8")
            write_atomically(folder / KUBECONFIGS / f"{name}.kubeconfig", _at_home(name, text))
        write_atomically(folder / ROSTER, roster.encode())
    except OSError as error:
        raise _unwritable(folder, error) from error
    written = _written()
    written.rosters[str((folder / ROSTER).absolute())] = _Roster(seed, roster, names)
    _keep(written)


def _at_home(name: str, text: str) -> bytes:
    """A kubeconfig whose context is the person's own namespace: the teacher has one here."""
    content = yaml.safe_load(text)
    for context in content["contexts"]:
        context["context"]["namespace"] = people.namespace_of(name)
    return yaml.safe_dump(content, sort_keys=False).encode()


def _forget_files(seed: int | None) -> None:
    """Remove what was written, a roster that has changed since excepted."""
    written = _written()
    for path, roster in [*written.rosters.items()]:
        if seed not in (None, roster.seed):
            continue
        file = Path(path)
        with suppress(OSError):
            if file.read_text(encoding="utf-8") == roster.text:
                file.unlink()
                history_of(file).unlink()  # of people who are no more
        for name in roster.people:
            with suppress(OSError):
                (file.parent / KUBECONFIGS / f"{name}.kubeconfig").unlink()
        for emptied in (file.parent / KUBECONFIGS, file.parent):
            with suppress(OSError):  # something else is there
                emptied.rmdir()
        del written.rosters[path]
    _keep(written)


def _keep(written: _Written) -> None:
    write_private(_record(), msgspec.json.encode(written).decode())


def _written() -> _Written:
    with suppress(OSError, msgspec.DecodeError):
        return msgspec.json.decode(_record().read_bytes(), type=_Written)
    return _Written({})


def _record() -> Path:
    return cluster_folder() / "classe.json"


def _unwritable(folder: Path, error: OSError) -> CahierError:
    return CahierError(
        f"{folder} ne peut pas être écrit : {error.strerror or error}.",
        "Choisissez un autre dossier avec --dossier.",
    )
