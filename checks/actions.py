"""What the workbook does in the learner's place: apply a solution, catch up, clean up. Through
kubectl."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import yaml

from checks import refusals
from checks.access import kubeconfig as configuration
from checks.errors import CahierError, Forbidden, Refused, UsageError
from checks.files import scratch
from checks.lab import Lab, find_lab
from checks.output import marked, output
from checks.stage import Person, Stage, rename

_MADE_ANEW = ("may not change fields", "field is immutable", "cannot change roleRef")
"""What the API server says of what must be deleted to be changed."""
_LAUNCH = "cahier catalogue lancer"
_console = output(soft_wrap=True)


def apply_files(
    lab: Lab,
    state: str,
    kubeconfig: str | None,
    namespace: str,
    colleague: str | None,
    database: str | None,
    colleague_user: str | None = None,
) -> Mapping[str, str]:
    """Apply the YAML files of a state of the lab; their text, by name. Raises CahierError."""
    files = _renamed(lab, state, namespace, colleague, database, colleague_user)
    for name, text in files.items():
        apply = ["apply", "-n", namespace, "-f", "-"]
        try:
            _kubectl(apply, kubeconfig, text, name)
        except Forbidden:
            raise
        except CahierError as refusal:
            if not any(words in refusal.message for words in _MADE_ANEW):
                raise
            gone = [
                "delete",
                "-n",
                namespace,
                "-f",
                "-",
                "--ignore-not-found",
                "--now",
                "--cascade=foreground",
            ]
            _kubectl(gone, kubeconfig, text, name)
            _kubectl(apply, kubeconfig, text, name)
    return files


def catch_up(
    lab: Lab, kubeconfig: str | None, namespace: str | None, colleague: str | None
) -> None:
    """Bring the learner to the start of `lab`: the solutions of the labs it builds on, and its own
    setup.

    A database that is there already is kept; tunnels, which live in a terminal of the learner's,
    are told, not opened. Raises CahierError.
    """
    from checks.diagnosis.databases.catalogue import databases
    from checks.diagnosis.rights.role import too_small
    from checks.sources.live_cluster import LiveCluster  # slow to load, needed here only
    from checks.sources.machine import LocalMachine

    own = namespace or configuration.read(kubeconfig).namespace
    cluster = LiveCluster(LocalMachine(), kubeconfig_path=kubeconfig, namespace=own)
    shortage = too_small(cluster, lab.about.role, lab.title)
    if shortage is not None:
        raise shortage
    database = next((one.release for one in databases(cluster)), "")
    with _terminal(kubeconfig, own) as me:
        for earlier in (find_lab(name) for name in lab.about.prerequisites):
            _require_colleague(earlier, colleague)
            for file in apply_files(
                earlier, "solution", kubeconfig, own, colleague, database or None
            ):
                _console.print(
                    marked("[green]✔[/] {} : {} appliqué dans {}", earlier.short_name, file, own)
                )
            database = _replay(
                earlier, earlier.about.solution.commands, me, kubeconfig, colleague, database
            )
        _replay(lab, lab.about.setup.commands, me, kubeconfig, colleague, database)
    at_hand = colleague is not None and cluster.as_owner(colleague) is not None
    _tell_colleague_commands(lab, own, colleague, at_hand=at_hand)
    _console.print(
        marked(
            "\nVous êtes au début de {} : [bold]cahier commencer {}[/]",
            lab.short_name,
            lab.short_name,
        )
    )


def _require_colleague(lab: Lab, colleague: str | None) -> None:
    """Raises UsageError where a lab needs one that was not given."""
    if lab.about.colleague == "required" and not colleague:
        raise UsageError(
            f"Le TP {lab.short_name} se fait à deux : il manque le namespace de votre collègue.",
            "Ajoutez par exemple --collegue user-bob",
        )


def _tell_colleague_commands(lab: Lab, own: str, colleague: str | None, *, at_hand: bool) -> None:
    """The commands that the colleague must have run; `at_hand`: one may play their part."""
    from checks.diagnosis.databases.colleague_base import as_typed

    also = ", ou vous en jouant son rôle" if at_hand else ""
    for command in lab.about.setup.colleague_commands:
        text = rename(command, lab.about.story, own, colleague, None)
        _console.print(marked("[bold]Votre collègue doit avoir lancé{} :[/]", also))
        _console.print("  " + (as_typed(str(colleague), text) if at_hand else text))


@contextlib.contextmanager
def _terminal(kubeconfig: str | None, namespace: str) -> Iterator[Person]:
    """The learner in a terminal of ours: their own access, with a context that carries
    `namespace`."""
    choice = configuration.choose(kubeconfig)
    with scratch() as folder:
        file = Path(folder) / "kubeconfig"
        if choice is None:  # in a pod kubectl is its ServiceAccount
            yield Person(namespace, file)
            return
        name, context = choice.context_name, choice.context
        own = {"cluster": context.cluster, "user": context.user, "namespace": namespace}
        overlay = {"contexts": [{"name": name, "context": own}], "current-context": name}
        file.write_text(
            yaml.safe_dump({"apiVersion": "v1", "kind": "Config", **overlay}), encoding="utf-8"
        )
        # of several, the first that names something wins
        files = (
            file,
            *(path.absolute() for path in choice.files),
        )
        yield Person(namespace, Path(os.pathsep.join(map(str, files))))


def _replay(
    lab: Lab,
    commands: Sequence[str],
    me: Person,
    kubeconfig: str | None,
    colleague: str | None,
    database: str,
) -> str:
    """Run `commands` as the learner, with the `database` that is there already; the one there is in
    the end, or ""."""
    for command in commands:
        text = rename(command, lab.about.story, me.namespace, colleague, database or None)
        if command.rstrip().endswith(" &"):
            _console.print(
                f"  À ouvrir dans un second terminal si vous en avez besoin : {text.rstrip(' &')}"
            )
        elif _LAUNCH in command and database:
            _console.print(marked("[green]✔[/] la base {} est déjà là : elle est gardée", database))
        else:
            _console.print(marked("[dim]$[/] {}", text))
            try:
                Stage(lab, me).run([text])
            except CahierError:
                _require_access(kubeconfig)
                raise
            database = database or (lab.about.story.database if _LAUNCH in command else "")
    return database


def clean(
    labs: Sequence[Lab], kubeconfig: str | None, namespace: str | None, *, quiet: bool = False
) -> None:
    """Delete from the learner's namespace the objects that the labs' files name, and those that
    their pages and remedies make; nothing else.

    Raises Forbidden, once all that may be deleted is.
    """
    own = namespace or configuration.read(kubeconfig).namespace
    removed = []
    refused: Forbidden | None = None
    unseen: Forbidden | None = None
    for lab in labs:
        going = _named_objects(lab, own)
        try:
            going |= set(_made(lab, kubeconfig, own))
        except Forbidden as refusal:
            unseen = unseen or refusal
        for kind, name in sorted(going):
            command = ["delete", kind, name, "-n", own, "--ignore-not-found", "--now"]
            try:
                said = _kubectl(command, kubeconfig, "", lab.name)
            except Forbidden as refusal:  # the others may be allowed
                refused = refused or refusal
                continue
            if said.strip():
                removed.append(f"{kind}/{name}")
                if not quiet:
                    _console.print(
                        marked("[green]✔[/] {}/{} supprimé ({})", kind, name, lab.short_name)
                    )
    # what could not be deleted tells more than what could not be listed
    refused = refused or unseen
    if refused is not None:
        raise refused
    if quiet:
        return
    if not removed:
        _console.print(f"Rien à retirer de {own}.")
    _tell_tunnels(own)
    _console.print(marked("[dim]Les bases s’arrêtent avec « cahier catalogue arreter NOM ».[/]"))


def left_by(lab: Lab, kubeconfig: str | None, namespace: str | None) -> bool:
    """Whether anything that `clean` would delete is there. Raises CahierError, but where it may not
    be seen: `clean` tells that."""
    own = namespace or configuration.read(kubeconfig).namespace
    named = [f"{kind}/{name}" for kind, name in sorted(_named_objects(lab, own))]
    look = ["get", *named, "-n", own, "--ignore-not-found", "-o", "name"]
    try:
        if named and _kubectl(look, kubeconfig, "", lab.name).strip():
            return True
        return any(True for _ in _made(lab, kubeconfig, own))
    except Forbidden:
        return False


def _tell_tunnels(namespace: str) -> None:
    """The tunnels to the namespace that still run here: they end where they were opened."""
    from checks.sources.machine import LocalMachine

    for one in LocalMachine().forwards():
        if one.namespace == namespace:
            ports = ", ".join(map(str, one.ports))
            _console.print(
                f"Un tunnel vers {one.kind}/{one.name} est encore ouvert (port {ports}) : Ctrl-C "
                "dans son terminal."
            )


def _named_objects(lab: Lab, namespace: str) -> set[tuple[str, str]]:
    found = set()
    for state in ("depart", "solution"):
        for text in _renamed(lab, state, namespace).values():
            for document in yaml.safe_load_all(text):
                if isinstance(document, dict) and document.get("kind") and document.get("metadata"):
                    found.add((str(document["kind"]).lower(), str(document["metadata"]["name"])))
    return found


def _made(lab: Lab, kubeconfig: str | None, namespace: str) -> Iterator[tuple[str, str]]:
    """Kind and name of what is there of what its page and its remedies make beside its files."""
    named = [one.split("/") for one in lab.about.made if " -l " not in one]
    asked = {",".join(sorted({kind for kind, _ in named})): ""} if named else {}
    asked |= {
        kind: label
        for one in lab.about.made
        for kind, mark, label in (one.partition(" -l "),)
        if mark
    }
    for kinds, label in asked.items():
        by_label = ["-l", label] if label else []
        found = _kubectl(
            ["get", kinds, "-n", namespace, "-o", "name", *by_label], kubeconfig, "", lab.name
        )
        for line in found.splitlines():
            dotted, _, name = line.partition("/")
            kind = dotted.partition(".")[0]
            if label or any(kind == one and fnmatchcase(name, pattern) for one, pattern in named):
                yield kind, name


def _renamed(
    lab: Lab,
    state: str,
    namespace: str,
    colleague: str | None = None,
    database: str | None = None,
    colleague_user: str | None = None,
) -> Mapping[str, str]:
    return {
        name: rename(text, lab.about.story, namespace, colleague, database, colleague_user)
        for name, text in lab.files(state).items()
    }


def _kubectl(arguments: Sequence[str], kubeconfig: str | None, text: str, about: str) -> str:
    """What kubectl printed. Raises Forbidden, CahierError."""
    # it runs elsewhere: a file is named from here
    access = ["--kubeconfig", str(Path(kubeconfig).absolute())] if kubeconfig else []
    command = ["kubectl", *access, *arguments]
    with scratch() as folder:
        try:
            done = subprocess.run(
                command,
                input=text,
                cwd=Path(folder),
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
        except FileNotFoundError:
            raise CahierError(
                "kubectl n’est pas installé sur cette machine.",
                "Installez-le : https://kubernetes.io/fr/docs/tasks/tools/install-kubectl/",
            ) from None
        except subprocess.TimeoutExpired:
            raise CahierError(
                "Le cluster n’a pas répondu en deux minutes.", "Vérifiez : cahier verifier tp1"
            ) from None
    if done.returncode:
        refusal = refusals.read(done.stderr)
        if refusal is not None:
            raise Forbidden(refusal, kubeconfig)
        _require_access(kubeconfig)
        raise CahierError(
            f"{about} : {done.stderr.strip()}",
            "Vérifiez vos droits et votre namespace : cahier verifier tp1",
        )
    return done.stdout


def _require_access(kubeconfig: str | None) -> None:
    """Raises AccessError, which says it better than kubectl, where the cluster is silent or does
    not know us."""
    from checks.access.kubernetes_api import Api

    with contextlib.suppress(Refused):
        Api(kubeconfig).who_am_i()
