"""The programs: Python, the workbook itself, kubectl."""

from __future__ import annotations

import platform
import shutil
import sys
from pathlib import Path

from checks import __version__, installation
from checks.diagnosis.rights.credentials import OLDEST_KUBECTL, within_skew
from checks.doctor.lines import Answer, depends_on, failed, passed, shown
from checks.facts import KubectlVersion

_INSTALL = "https://kubernetes.io/fr/docs/tasks/tools/install-kubectl/"


def python() -> Answer:
    """Whether Python and what the workbook needs are there."""
    where = Path(__file__).parents[1]
    found = (
        f"Python {platform.python_version()} ({shown(Path(sys.executable))}), cahier {__version__} "
        f"({shown(where)})."
    )
    missing = installation.missing()
    if missing:
        return failed(
            f"{found} Il manque à cet environnement : {', '.join(missing)}.",
            "Réinstallez le cahier"
            + (" ; dans la copie du dépôt :" if installation.in_checkout() else " :"),
            installation.again(),
        )
    return passed(found)


def kubectl(version: KubectlVersion | None) -> Answer:
    """Whether there is a kubectl, and `version`, what it says of itself, is recent enough."""
    path = shutil.which("kubectl")
    if path is None:
        return failed(
            "Aucun programme « kubectl » n’est dans le PATH de ce terminal.",
            f"Installez-le ({_INSTALL}), puis ouvrez un nouveau terminal. Dans un service VSCode "
            "du SSPCloud, il est déjà là.",
            cause="Toutes les commandes des TP passent par lui.",
        )
    if version is None:
        return failed(
            f"{path} ne s’exécute pas, ou ne dit pas sa version.",
            f"Installez-le de nouveau ({_INSTALL}). Pour voir ce qu’il répond :",
            "kubectl version --client",
        )
    if (version.major, version.minor) < OLDEST_KUBECTL:
        return failed(
            f"kubectl {version.major}.{version.minor} ({shown(version.path)}) est trop ancien pour "
            "les TP.",
            f"Installez-en un plus récent : {_INSTALL}",
            cause="Des commandes des TP, comme « kubectl auth whoami », n’existent qu’à partir de "
            f"la version {OLDEST_KUBECTL[0]}.{OLDEST_KUBECTL[1]}.",
        )
    return passed(f"kubectl {version.major}.{version.minor} ({shown(version.path)}).")


def skew(version: KubectlVersion | None, server: tuple[int, int]) -> Answer:
    """Whether this kubectl suits a cluster of the version `server`."""
    if version is None or (version.major, version.minor) < OLDEST_KUBECTL:
        return depends_on("kubectl")
    found = f"kubectl {version.major}.{version.minor}, cluster {server[0]}.{server[1]}"
    if within_skew(version, server):
        return passed(f"{found} : Kubernetes garantit cet écart.")
    return passed(f"{found} : Kubernetes ne garantit pas un tel écart, mais il convient aux TP.")
