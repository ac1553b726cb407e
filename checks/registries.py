"""Why a registry gives no image, for the node or for a pod, in the words of those who ask it for
one: a table.

Each row is a sign (a regular expression, searched without regard to case), a French cause and two
remedies. The first row whose sign is found is the answer. In the texts, `{engine}` is the engine's
name, `{program}` its command.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from checks.places import CLUSTER_NAME

CLOSED_NETWORK = "page « Sur un réseau fermé » du site"


@dataclass(frozen=True)
class Unpulled:
    """Why a registry gives no image: `cause`; what to do for the node's image, and for a pod's."""

    sign: str
    cause: str
    node: str
    pod: str


_NAME = "Corrigez le nom de l’image"
_LOAD = (
    "téléchargez l’image sur votre poste et chargez-la dans le cluster local (kind load "
    f"docker-image IMAGE --name {CLUSTER_NAME})"
)
OWN_IMAGE = "désignez une image que vous avez déjà : cahier cluster creer --image IMAGE"

REGISTRY = (
    Unpulled(
        r"toomanyrequests|too many requests",
        "Docker Hub limite les téléchargements sans compte, et la limite de votre réseau est "
        "atteinte (toomanyrequests).",
        f"Attendez quelques heures, ou identifiez-vous ({{program}} login), ou {OWN_IMAGE}",
        f"Attendez quelques heures, ou {_LOAD}",
    ),
    Unpulled(
        r"no matching manifest for windows|image operating system .* cannot be used",
        "Docker Desktop est en mode « conteneurs Windows » : kind a besoin de conteneurs Linux.",
        "Choisissez « Switch to Linux containers » dans le menu de Docker Desktop, puis "
        "recommencez.",
        _NAME,
    ),
    Unpulled(
        r"no matching manifest for|no match for platform|no image found in .* for architecture",
        "Cette image n’existe pas pour le processeur de cette machine.",
        "Prenez celle de kind, faite pour amd64 et arm64 : ni --image, ni la variable "
        "CAHIER_IMAGE_NOEUD.",
        "Prenez une image publiée pour ce processeur : celles des TP le sont pour amd64 et arm64",
    ),
    Unpulled(
        r"docker-credential-\S+.* not found|error getting credentials",
        "Docker appelle un programme d’identification qui n’est pas installé "
        "(docker-credential-…).",
        "Retirez la ligne « credsStore » de ~/.docker/config.json, puis recommencez.",
        _NAME,
    ),
    Unpulled(
        r"proxyconnect",
        "Le proxy nommé dans la configuration du moteur ne répond pas.",
        "Corrigez-le : Settings → Resources → Proxies dans Docker Desktop ; sous Linux, "
        "HTTPS_PROXY dans /etc/systemd/system/docker.service.d, puis « sudo systemctl "
        "daemon-reload » et redémarrez {engine}.",
        f"Corrigez HTTPS_PROXY et refaites le cluster, ou {_LOAD}",
    ),
    Unpulled(
        r"x509|certificate signed by unknown|failed to verify certificate",
        "Le certificat du registre n’est pas reconnu : le proxy de l’établissement déchiffre sans "
        "doute les échanges.",
        "Ajoutez le certificat de l’établissement à la machine du moteur (sous Debian et Ubuntu : "
        "dans /usr/local/share/ca-certificates, puis « sudo update-ca-certificates »), redémarrez "
        "{engine}, puis recommencez.",
        f"Les nœuds ne connaissent pas le certificat de l’établissement : {_LOAD}",
    ),
    Unpulled(
        r"server gave HTTP response to HTTPS client",
        "Ce registre parle HTTP, et {engine} attend HTTPS.",
        "Déclarez-le dans « insecure-registries » de la configuration du moteur, redémarrez "
        "{engine}, puis recommencez.",
        f"Les nœuds n’acceptent qu’un registre en HTTPS : {_LOAD}",
    ),
    Unpulled(
        r"no such host|i/o timeout|network is unreachable|no route to host|connection refused|"
        r"connection reset|"
        r"Client\.Timeout|handshake timeout|deadline exceeded|server misbehaving|name resolution|"
        r"actively refused",
        "Le registre n’est pas joignable depuis cette machine.",
        f"Vérifiez l’accès à Internet, proxy compris, ou {OWN_IMAGE} ({CLOSED_NETWORK}).",
        f"Vérifiez l’accès du cluster à Internet, ou {_LOAD}",
    ),
    Unpulled(
        r"unauthorized|authentication required|pull access denied|insufficient_scope|: denied",
        "Le registre refuse cette image : elle n’existe pas, ou demande de s’identifier.",
        "Corrigez --image (ou la variable CAHIER_IMAGE_NOEUD), ou identifiez-vous : {program} "
        "login",
        _NAME,
    ),
    Unpulled(
        r"manifest unknown|manifest for .* not found|not found",
        "Ce nom ou cette étiquette (tag) n’existe pas dans le registre.",
        "Corrigez --image (ou la variable CAHIER_IMAGE_NOEUD) ; sans elle, kind prend la sienne.",
        _NAME,
    ),
)


def unpulled_image(said: str) -> Unpulled | None:
    """Why an image could not be downloaded; None when it does not say."""
    return next((row for row in REGISTRY if re.search(row.sign, said, re.IGNORECASE)), None)
