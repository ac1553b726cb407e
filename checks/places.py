"""The local cluster's own names, and where its files are: below the user's state folder, readable
by the user only."""

from __future__ import annotations

from pathlib import Path

from checks import state
from checks.errors import CahierError
from checks.files import write_atomically

CLUSTER_NAME = "cahier"
LEARNERS = ("alice", "bob", "chloe")
ISSUER_NAMESPACE = "cahier-connexion"
ISSUER_NAME = "emetteur"
ISSUER = f"https://localhost:6443/api/v1/namespaces/{ISSUER_NAMESPACE}/services/{ISSUER_NAME}/proxy"
"""Address of the issuer of tokens, as the API server reaches it: kind has it listen on this port of
its own node."""


def folder() -> Path:
    """Everything that belongs to the local cluster."""
    return state.folder() / "cluster"


def admin_kubeconfig() -> Path:
    """The cluster administrator's kubeconfig, as kind writes it. May not exist."""
    return folder() / "admin.kubeconfig"


def people_folder() -> Path:
    """One NAME.kubeconfig for each person."""
    return folder() / "people"


def history_of(roster: Path) -> Path:
    """Where the history of a class is, beside its list."""
    return roster.with_name(f"historique-{roster.stem}.sqlite")


def failure_log() -> Path:
    """What kind and the nodes said when the last making failed. May not exist."""
    return folder() / "kind.log"


def lock() -> Path:
    """Held by the one command that makes or removes something of the cluster."""
    return folder() / "lock"


def private_folder(path: Path) -> Path:
    """`path`, made when missing, closed to others. Raises CahierError."""
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise CahierError(
            f"Le dossier {path} ne peut pas être écrit ({error.strerror}).",
            f"Donnez au cahier un autre dossier : {state.move_elsewhere()}",
        ) from error
    return path


def write_private(path: Path, text: str) -> None:
    """Write at once or not at all, mode 0600. Raises CahierError, OSError."""
    private_folder(path.parent)
    write_atomically(path, text.encode())
