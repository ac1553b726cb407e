"""What engines, registries, kind and nodes say when they fail, and what to tell the learner: three
tables.

Each row is a sign (a regular expression, searched without regard to case), a French message and its
remedy. The first row whose sign is found is the answer. In the texts, `{engine}` is the engine's
name, `{program}` its command, `{start}` how it is started here, `{rights}` how one is let in,
`{said}` the line in which the sign was found.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass

from checks.access import kubeconfig
from checks.errors import AccessError
from checks.places import CLUSTER_NAME
from checks.registries import OWN_IMAGE, unpulled_image

_LINUX = platform.system() == "Linux"
_DISPLAY = {"docker": "Docker", "podman": "Podman"}
AGAIN = "Recommencez : cahier cluster creer"
_LINE = 300  # characters of what a program said that are shown

INSTALL_ENGINE = (
    "Installez Docker (https://docs.docker.com/get-started/get-docker/) ou Podman, démarrez-le, "
    "puis recommencez : cahier cluster creer"
)
NO_ENGINE = (
    "Aucun moteur de conteneurs n’est installé sur cette machine (ni Docker, ni Podman, ni nerdctl)"
)
INSTALL_KIND = (
    "Installez-le avec « go install sigs.k8s.io/kind@v0.33.0 », « brew install kind » ou « winget "
    "install Kubernetes.kind » (https://kind.sigs.k8s.io), vérifiez que son dossier est dans le "
    "PATH, puis recommencez."
)


def none_here() -> AccessError:
    """There is no local cluster: what to do about it, on a machine of one's own and in a pod."""
    if kubeconfig.in_pod():
        return AccessError(
            "Le petit SSPCloud local se crée sur un poste : vous êtes ici dans un pod, un service "
            "VSCode par exemple.",
            "Vous y avez déjà un vrai cluster, et votre namespace : cahier commencer tp1",
        )
    return AccessError("Le cluster local n’existe pas.", "Créez-le : cahier cluster creer")


@dataclass(frozen=True)
class Trouble:
    """What is wrong and the remedy, in French. `image`: all that is missing is the node's image."""

    message: str
    remedy: str
    image: bool = False


@dataclass(frozen=True)
class Row:
    """A line of a table."""

    sign: str
    message: str
    remedy: str


# -- an engine that does not answer (`docker info`) ------------------------------------------------

ENGINE = (
    Row(
        r"could not be found in this WSL 1",
        "Cette distribution est en WSL 1, où Docker ne fonctionne pas.",
        "Dans PowerShell : wsl --set-version NOM 2 (« wsl --list » donne son nom), puis "
        "recommencez.",
    ),
    Row(
        r"could not be found in this WSL",
        "Docker Desktop est fermé, ou n’est pas relié à cette distribution WSL2.",
        "Ouvrez Docker Desktop ; dans Settings → Resources → WSL integration, cochez votre "
        "distribution, puis « Apply & restart ». Rouvrez ce terminal, puis recommencez.",
    ),
    Row(
        r"Docker Desktop is unable to start",
        "Docker Desktop n’arrive pas à démarrer.",
        "Quittez-le et rouvrez-le ; si cela dure, « wsl --update » sous Windows, ou « Troubleshoot "
        "» dans son menu.",
    ),
    Row(
        r"\.docker/config\.json: permission denied",
        "Votre dossier ~/.docker appartient à root : une commande y a été tapée avec sudo.",
        'Reprenez-le : sudo chown -R "$USER" ~/.docker',
    ),
    Row(
        r"pipe/.*access is denied",
        "Docker est installé mais refuse votre compte.",
        "Ajoutez votre compte au groupe « docker-users » de Windows, fermez votre session, "
        "rouvrez-la.",
    ),
    Row(
        r"cannot re-exec process|newuidmap|no subuid ranges|insufficient UIDs",
        "{engine} sans root n’a pas d’identifiants à donner aux conteneurs (subuid).",
        'Donnez-en : sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 "$USER", '
        "puis "
        "« podman system migrate ».",
    ),
    Row(
        r"containerd\.sock.*permission denied|rootless containerd not running",
        "{engine} est installé, mais son containerd n’est pas à la portée de votre compte.",
        "Préparez-le sans root : containerd-rootless-setuptool.sh install. Ou lancez cette "
        "commande avec sudo.",
    ),
    Row(
        r"permission denied|access is denied",
        "{engine} est installé mais refuse votre compte.",
        "{rights}, puis recommencez.",
    ),
    Row(
        r"client version \S+ is too (new|old)",
        "{engine} est trop ancien : {said}",
        "Mettez-le à jour (https://docs.docker.com/engine/install/), puis recommencez.",
    ),
    Row(
        r"can.t evaluate field ServerVersion",
        "La commande « docker » de cette machine est celle de Podman.",
        "Choisissez-le : export KIND_EXPERIMENTAL_PROVIDER=podman",
    ),
    Row(
        r"pipe/(docker|dockerDesktop)|\.docker/(run|desktop)/docker\.sock",
        "Docker Desktop est installé mais n’est pas démarré.",
        "Ouvrez Docker Desktop et attendez qu’il soit prêt, puis recommencez.",
    ),
    Row(
        r"\.colima/",
        "Colima est installé mais n’est pas démarré.",
        "Démarrez-le : colima start",
    ),
    Row(
        r"\.orbstack/",
        "OrbStack est installé mais n’est pas démarré.",
        "Ouvrez-le et attendez qu’il soit prêt, puis recommencez.",
    ),
    Row(
        r"podman machine",
        "Podman est installé mais sa machine virtuelle n’est pas démarrée.",
        "Démarrez-la : podman machine start (la première fois : podman machine init)",
    ),
    Row(
        r"/run/user/\d+/docker\.sock",
        "Docker sans root est installé mais n’est pas démarré.",
        "Démarrez-le : systemctl --user start docker",
    ),
    Row(
        r"cannot connect|failed to connect|daemon running|error during connect|connection refused|"
        r"no such file",
        "{engine} est installé mais n’est pas démarré.",
        "Démarrez-le : {start}",
    ),
)

# -- a cluster that kind could not make ------------------------------------------------------------

INOTIFY = Row(
    r"too many open files|inotify watch limit reached|inotify_add_watch.*no space left",
    "Le noyau n’a plus de surveillance de fichiers à donner (limites inotify).",
    "Relevez ces limites : sudo sysctl fs.inotify.max_user_watches=524288 "
    "fs.inotify.max_user_instances=512. Sous Windows, cela se tape dans WSL2. " + AGAIN,
)
DISK = Row(
    r"no space left on device|disk quota exceeded",
    "Le disque du moteur de conteneurs est plein.",
    "Libérez de la place : {program} system prune (sous Docker Desktop, agrandissez aussi le "
    "disque virtuel, dans Settings → Resources). " + AGAIN,
)
MEMORY = Row(
    r"cannot allocate memory|out of memory|oom-kill|signal: killed|exit status 137",
    "La mémoire manque pour démarrer Kubernetes.",
    "Fermez des programmes ; sous Docker Desktop ou dans « podman machine », donnez au moins 4 "
    "Gio. " + AGAIN,
)
OTHER_PROCESSOR = Row(
    r"exec format error",
    "L’image du nœud est faite pour un autre processeur.",
    "Prenez celle de kind, faite pour amd64 et arm64 : ni --image, ni la variable "
    "CAHIER_IMAGE_NOEUD.",
)

KIND = (
    INOTIFY,
    DISK,
    Row(
        r"rootless provider requires cgroup v2",
        "{engine} sans root a besoin de cgroup v2, et cette machine emploie cgroup v1.",
        "Prenez {engine} avec root, ou une distribution plus récente : "
        "https://kind.sigs.k8s.io/docs/user/rootless/#host-requirements",
    ),
    Row(
        r"Delegate=yes",
        "{engine} sans root n’a pas le droit de limiter le processeur et la mémoire des "
        "conteneurs.",
        "Dans /etc/systemd/system/user@.service.d/delegate.conf, écrivez « [Service] » puis « "
        "Delegate=yes », faites « sudo systemctl daemon-reload », et rouvrez votre session.",
    ),
    Row(
        r"kernel does not support cgroup namespaces",
        "Le noyau de cette machine est trop ancien pour kind.",
        "Passez à une distribution plus récente ; sous Windows, « wsl --update ».",
    ),
    Row(
        r"cannot find cgroup mount destination",
        "WSL2 a perdu ses cgroups, ce qui arrive quand ses fenêtres ont été fermées puis "
        "rouvertes.",
        "Dans PowerShell : wsl --shutdown. Rouvrez votre terminal et Docker, puis recommencez.",
    ),
    Row(
        r"access a socket in a way forbidden",
        "Windows s’est réservé le port que kind demandait : {said}",
        "Dans PowerShell en administrateur : net stop winnat ; net start winnat. " + AGAIN,
    ),
    Row(
        r"port is already allocated|address already in use|ports are not available|EADDRINUSE",
        "Un port demandé par kind est déjà pris : {said}",
        "kind en tire un autre à chaque essai. " + AGAIN,
    ),
    Row(
        r"node\(s\) already exist",
        f"Un cluster « {CLUSTER_NAME} » était en train d’être fait par une autre commande.",
        AGAIN,
    ),
    Row(
        r"name .*is already in use|already in use by container",
        "Un conteneur qui n’est pas du cahier porte déjà le nom d’un nœud : {said}",
        f"Supprimez-le : {{program}} rm --force --volumes {CLUSTER_NAME}-control-plane. {AGAIN}",
    ),
    Row(
        r"non-overlapping IPv4 address pool|address pools have been fully subnetted|"
        r"non-overlapping subnet",
        "{engine} n’a plus d’adresses à donner à un réseau : il en a trop, ou un VPN les couvre "
        "toutes.",
        "Retirez les réseaux inutiles ({program} network prune), ou coupez le VPN. " + AGAIN,
    ),
    Row(
        r"iptables|nftables|netavark|CNI network",
        "{engine} n’a pas pu écrire les règles de réseau de ses conteneurs : {said}",
        "Chargez les modules du noyau (sudo modprobe -a iptable_nat ip6table_nat), redémarrez "
        "{engine} (un pare-feu rechargé efface ses règles) ; sous Windows, « wsl --update "
        "». " + AGAIN,
    ),
    MEMORY,
    OTHER_PROCESSOR,
    Row(
        r"unknown flag: --cgroupns",
        "{engine} est trop ancien pour kind.",
        "Mettez-le à jour, puis recommencez : cahier cluster creer",
    ),
    Row(
        r"cat /kind/version|unknown flag|no kind \S+ is registered|old API spec|unsupported "
        r"kubeadm|unknown apiVersion",
        "Cette image de nœud et cette version de kind ne vont pas ensemble.",
        "Mettez kind à jour, et prenez son image : ni --image, ni la variable CAHIER_IMAGE_NOEUD.",
    ),
)

# -- a node that did not start, as its own journals tell (systemd's and the kubelet's) -------------

NODE = (
    INOTIFY,
    DISK,
    Row(
        r"failed to get rootfs info|could not find device with major",
        "Le kubelet ne trouve pas le disque de la machine (système de fichiers Btrfs ou ZFS).",
        "Mettez {engine} sur un disque en ext4, ou ajoutez son périphérique au nœud : "
        "https://kind.sigs.k8s.io/docs/user/known-issues/#failed-to-get-rootfs-info--stat-failed-on-dev",
    ),
    MEMORY,
    OTHER_PROCESSOR,
    Row(
        r"cgroupns not enabled",
        "Cette machine emploie encore cgroup v1, sans les espaces de noms dont le nœud a besoin.",
        "Passez à une distribution plus récente ; sous Windows, « wsl --update » puis « wsl "
        "--shutdown ». " + AGAIN,
    ),
)
_MORE = (
    "Donnez plus de mémoire au moteur (4 Gio), relevez les limites inotify (sudo sysctl "
    "fs.inotify.max_user_instances=512), redémarrez {engine}. " + AGAIN
)
NOT_STARTED = Row(
    r"could not find a log line|failed to (init|join) node with kubeadm",
    "Le nœud n’a pas démarré : {said}",
    _MORE,
)
UNREADY = Row(  # what we say ourselves, when kind made a cluster whose nodes or pods do not follow
    r"never ready",
    "Le cluster a été fait, mais n’est pas prêt.",
    _MORE,
)


# -- reading them ----------------------------------------------------------------------------------


def title(name: str) -> str:
    """An engine's name in a sentence."""
    return _DISPLAY.get(name, name)


def start_command(name: str) -> str:
    """How this engine is started on this machine."""
    if _LINUX:
        return {
            "docker": "sudo systemctl start docker (ou ouvrez Docker Desktop)",
            "podman": "systemctl --user start podman.socket",
        }.get(name, "sudo systemctl start containerd")
    return {
        "docker": "ouvrez Docker Desktop et attendez qu’il soit prêt",
        "podman": "podman machine start",
    }.get(name, f"{name} vm start")


def _rights(name: str) -> str:
    if name == "docker" and _LINUX:
        return "Exécutez « sudo usermod -aG docker $USER », fermez votre session et rouvrez-la"
    return f"Donnez à votre compte l’accès à {title(name)}"


def silent_engine(name: str, said: str, address: str = "") -> Trouble:
    """Why the engine `name` does not answer, from what its client said; `address`: where a variable
    sends it."""
    row = _found(ENGINE, said)
    if row is None:
        message = f"{{engine}} est installé mais ne répond pas : {last_line(said)}".replace(
            "{engine}", title(name)
        )
        return Trouble(message, f"Démarrez-le : {start_command(name)}")
    if address and row is ENGINE[-1]:
        return Trouble(
            f"{title(name)} ne répond pas à l’adresse {address} (variable d’environnement).",
            "Corrigez-la ou retirez-la (unset DOCKER_HOST CONTAINER_HOST), puis recommencez.",
        )
    return _filled(row, name, name, said)


def failed_creation(name: str, program: str, said: str, journals: str = "") -> Trouble:
    """Why kind made no cluster on the engine `name`; `journals`: the nodes' own, where they were
    begun."""
    if re.search(r"failed to pull image|pull access denied", said) and not _found((DISK,), said):
        return _unpulled_node_image(name, program, said)
    row = (
        _found(KIND, said)
        or _found(NODE, journals)
        or _found((NOT_STARTED, UNREADY, *ENGINE), said)
    )
    if row is not None:
        return _filled(row, name, program, said if _found((row,), said) else journals)
    return Trouble(f"kind n’a pas pu faire le cluster : {_telling_line(said)}", AGAIN)


def _unpulled_node_image(name: str, program: str, said: str) -> Trouble:
    refusal = unpulled_image(said)
    beginning = f"{title(name)} n’a pas pu télécharger l’image du nœud."
    if refusal is None:
        remedy = f"Vérifiez l’accès à Internet, proxy compris, ou {OWN_IMAGE}"
        return Trouble(f"{beginning} {_telling_line(said)}", remedy, image=True)
    filled = _filled(Row(refusal.sign, refusal.cause, refusal.node), name, program, said)
    return Trouble(f"{beginning} {filled.message}", filled.remedy, image=True)


def _found(table: Sequence[Row], said: str) -> Row | None:
    return next((row for row in table if re.search(row.sign, said, re.IGNORECASE)), None)


def _filled(row: Row, name: str, program: str, said: str) -> Trouble:
    lines = [line.strip() for line in said.splitlines() if re.search(row.sign, line, re.IGNORECASE)]
    words = {
        "engine": title(name),
        "program": program,
        "start": start_command(name),
        "rights": _rights(name),
        "said": (lines or ["aucune explication"])[-1][-_LINE:],
    }
    return Trouble(row.message.format(**words), row.remedy.format(**words))


def last_line(text: str) -> str:
    """The last line that says something."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:_LINE] if lines else "aucune explication"


def _telling_line(text: str) -> str:
    errors = [line.strip() for line in text.splitlines() if line.startswith("ERROR")]
    return errors[-1][:_LINE] if errors else last_line(text)
