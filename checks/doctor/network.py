"""The way to the API server, one step after the other: proxy, name, connection, encryption,
clock."""

from __future__ import annotations

import http.client
import os
import socket
import ssl
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit
from urllib.request import getproxies

from checks.access import certificates, proxies
from checks.access.kubeconfig_file import RENEW
from checks.access.kubernetes_api import Api
from checks.capabilities import Cluster
from checks.doctor.lines import Answer, depends_on, failed, passed, skipped, unverified
from checks.doctor.machine import is_local
from checks.doctor.waiting import QUESTION_SECONDS, within
from checks.errors import Unverifiable
from checks.french import duration

_PORTS = {"https": 443, "http": 80}
_CLOCK_TOLERANCE = timedelta(seconds=30)
_VARIABLES = "HTTPS_PROXY, NO_PROXY"
_EXPIRED, _NOT_YET, _WRONG_NAMES = 10, 9, (62, 64)  # OpenSSL's X509_V_ERR_…: a name, an address
_NETWORK = (
    "Vérifiez le réseau : êtes-vous en ligne ? faut-il un VPN, ou un proxy (variable HTTPS_PROXY) ?"
)
_LOCAL = "Le cluster local est arrêté, ou votre configuration vise un ancien cluster :"


@dataclass(frozen=True)
class Way:
    """Where the first connection goes (the proxy, or the API server itself) and where the API
    server is."""

    host: str
    port: int
    target_host: str
    target_port: int
    proxy: str = ""
    local: bool = False
    """Whether the API server is on this machine."""

    @property
    def plain(self) -> bool:
        """Whether its steps can be told apart: no proxy, or one that is spoken to without
        encryption."""
        return urlsplit(self.proxy).scheme in ("", "http")

    @property
    def named(self) -> str:
        """Where the first connection goes, in a sentence."""
        address = f"{_bracketed(self.host)}:{self.port}"
        return f"le proxy {address}" if self.proxy else address


def way(api: Api) -> Way:
    """The way that requests of `api` take. Raises ValueError for an address that is none."""
    host, port = _place(api.server)
    local = is_local(api.server)
    if not api.proxy:
        return Way(host, port, host, port, local=local)
    return Way(*_place(api.proxy), host, port, api.proxy, local)


def _place(address: str) -> tuple[str, int]:
    parts = urlsplit(address)
    if not parts.hostname:
        raise ValueError(address)
    return parts.hostname, parts.port or _PORTS.get(parts.scheme, 443)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


# -- proxy -----------------------------------------------------------------------------------------


def proxy(api: Api | None) -> Answer:
    """Which proxy the environment names, and whether the API server is excluded from it: both are
    told."""
    known = getproxies()
    named = known.get("https") or ""
    rules = known.get("no") or ""
    if api is None:
        return _without_api(named)
    if api.proxy and api.proxy != proxies.complete(named):
        return passed(f"{proxies.shown(api.proxy)}, que nomme votre configuration ou HTTP_PROXY.")
    if not named:
        return passed("Aucun : le cluster est joint directement.")
    if proxies.is_loopback(api.server):
        return passed(
            f"{proxies.shown(named)}, mais pas pour ce poste : le cluster local est joint "
            "directement."
        )
    rule = api.proxy_exclusion
    if rule:
        return passed(
            f"{proxies.shown(named)}, mais {api.server} en est exclu (NO_PROXY contient « {rule} "
            "») : le cluster est joint directement."
        )
    excluded = "NO_PROXY est vide" if not rules else f"NO_PROXY, « {rules} », ne l’exclut pas"
    return passed(f"{api.server} est joint par {proxies.shown(named)} ({excluded}).")


def _without_api(named: str) -> Answer:
    if not named:
        return passed("Aucun dans cet environnement.")
    return skipped(
        f"{proxies.shown(named)} ; sans configuration, on ne sait pas s’il mène au cluster."
    )


def _other_way(road: Way) -> tuple[str, tuple[str, ...]]:
    """What to try when the way fails: with the proxy where there was none, without it where there
    was one."""
    if road.proxy:
        return (
            f"Si le réseau joint {road.target_host} sans proxy, excluez-le ; sinon, corrigez "
            "HTTPS_PROXY. Pour l’exclure dans ce terminal :",
            (_exclude(road.target_host),),
        )
    named = getproxies().get("https")
    if named and not road.local:
        return (
            f"Ce réseau a un proxy ({proxies.shown(named)}), et NO_PROXY en exclut "
            f"{road.target_host} : si le cluster n’est pas dans votre réseau, retirez cette "
            "exclusion de NO_PROXY.",
            (),
        )
    return (_LOCAL, ("cahier cluster creer",)) if road.local else (_NETWORK, ())


def _exclude(host: str) -> str:
    if os.name == "nt":
        return f'$env:NO_PROXY = "$env:NO_PROXY,{host}"'
    return f'export NO_PROXY="${{NO_PROXY:+$NO_PROXY,}}{host}"'


# -- name, connection, encryption ------------------------------------------------------------------


def dns(road: Way) -> Answer:
    """Whether the network knows the name."""
    try:
        found = within(
            QUESTION_SECONDS,
            lambda: socket.getaddrinfo(road.host, road.port, type=socket.SOCK_STREAM),
        )
    except TimeoutError:
        return failed(
            f"Aucune réponse du DNS pour {road.host} en {QUESTION_SECONDS:.0f} secondes.", _NETWORK
        )
    except (OSError, UnicodeError):
        remedy, commands = _other_way(road)
        whose = "Le nom du proxy" if road.proxy else "Le nom"
        return failed(f"{whose} {road.host} est inconnu de votre réseau (DNS).", remedy, *commands)
    addresses = list(dict.fromkeys(str(item[4][0]) for item in found))
    if addresses == [road.host]:
        return passed(f"{road.host} est une adresse : aucun nom à résoudre.")
    return passed(f"{road.host} est {', '.join(addresses[:3])}.")


def tcp(road: Way) -> Answer:
    """Whether a connection opens; through a proxy, whether it lets us through to the API server."""
    if not road.plain:
        return unverified(
            f"Le chemin passe par {proxies.shown(road.proxy)} : il n’est pas examiné pas à pas."
        )
    began = time.monotonic()
    remedy, commands = _other_way(road)
    try:
        open_connection(road).close()
    except TimeoutError:
        return failed(
            f"Aucune réponse de {road.named} en {QUESTION_SECONDS:.0f} secondes : un pare-feu, "
            "peut-être.",
            remedy,
            *commands,
        )
    except ConnectionRefusedError:
        what = "aucun proxy" if road.proxy else "aucun cluster"
        return failed(
            f"Connexion refusée : {what} n’écoute sur {_bracketed(road.host)}:{road.port}.",
            remedy,
            *commands,
        )
    except OSError as error:
        said = str(error.strerror or error)
        if road.proxy and said.startswith("Tunnel connection failed: "):
            status = said.removeprefix("Tunnel connection failed: ")
            return failed(
                f"Le proxy {_bracketed(road.host)}:{road.port} répond, mais refuse d’ouvrir un "
                f"passage vers {road.target_host}:{road.target_port} ({status}).",
                remedy,
                *commands,
            )
        return failed(
            f"{road.named.capitalize()} ne peut pas être joint ({said}).", remedy, *commands
        )
    spent = (time.monotonic() - began) * 1000
    through = f" par {road.named}" if road.proxy else ""
    return passed(
        f"{_bracketed(road.target_host)}:{road.target_port} est joint{through} en {spent:.0f} ms."
    )


def open_connection(road: Way) -> socket.socket:
    """A connection to the API server, through the proxy where there is one. Raises OSError."""
    if not road.proxy:
        return within(
            QUESTION_SECONDS,
            lambda: socket.create_connection((road.host, road.port), QUESTION_SECONDS),
        )
    connection = http.client.HTTPConnection(road.host, road.port, timeout=QUESTION_SECONDS)
    connection.set_tunnel(road.target_host, road.target_port, dict(proxies.credentials(road.proxy)))
    try:
        within(QUESTION_SECONDS, connection.connect)
    except http.client.HTTPException as error:
        raise OSError(f"ce n’est pas un proxy HTTP : {type(error).__name__}") from error
    return connection.sock


def tls(api: Api, road: Way) -> Answer:
    """Whether the connection is encrypted, by a certificate that the configuration trusts."""
    if urlsplit(api.server).scheme != "https":
        return skipped(f"{api.server} n’est pas en https:// : rien n’est chiffré.")
    if not road.plain:
        return depends_on("tcp")
    context, name = api.tls()
    try:
        with _encrypted(road, context, name) as connection:
            version = connection.version()
    except ssl.SSLCertVerificationError as error:
        return _untrusted(api, road, name, error)
    except ssl.SSLError as error:
        return failed(
            f"Ce qui écoute sur {road.target_host}:{road.target_port} ne parle pas TLS "
            f"({error.reason or error}).",
            f"L’adresse de votre configuration n’est pas celle d’un cluster. {RENEW}",
        )
    except TimeoutError:
        return failed(
            f"{road.target_host}:{road.target_port} ne répond pas au chiffrement en "
            f"{QUESTION_SECONDS:.0f} secondes.",
            _NETWORK,
        )
    except OSError as error:
        return failed(
            f"{road.target_host}:{road.target_port} coupe la connexion "
            f"({error.strerror or error}).",
            _NETWORK,
        )
    if context.verify_mode == ssl.CERT_NONE:
        return passed(f"{version} ; votre configuration demande de ne pas vérifier le certificat.")
    return passed(f"{version}, certificat reconnu pour {name}.")


def _encrypted(road: Way, context: ssl.SSLContext, name: str) -> ssl.SSLSocket:
    connection = open_connection(road)
    connection.settimeout(QUESTION_SECONDS)
    try:
        return within(
            QUESTION_SECONDS, lambda: context.wrap_socket(connection, server_hostname=name)
        )
    except BaseException:
        connection.close()
        raise


def _untrusted(api: Api, road: Way, name: str, error: ssl.SSLCertVerificationError) -> Answer:
    if error.verify_code in (_EXPIRED, _NOT_YET):
        when = "a expiré" if error.verify_code == _EXPIRED else "n’est pas encore valable"
        return failed(
            f"Le certificat du serveur {when}, d’après l’heure de votre poste "
            f"({datetime.now():%d/%m/%Y %H:%M}).",
            "Si cette heure est fausse, réglez-la (ligne « Heure »). Sinon, le certificat est à "
            "renouveler par ceux qui administrent le cluster ; s’il est local : cahier cluster "
            "supprimer, puis cahier cluster creer",
        )
    if error.verify_code in _WRONG_NAMES:
        return failed(
            f"Le certificat du serveur n’est pas au nom de « {name} » : votre configuration vise "
            "une autre adresse que celle du cluster.",
            RENEW,
        )
    issuer = _issuer(road, name)
    by = f" Il l’est par « {issuer} »." if issuer else ""
    return failed(
        "Le certificat du serveur n’est pas signé par l’autorité que votre configuration "
        f"attend.{by}",
        f"{RENEW}. Si ce nom est celui de votre établissement ou d’un antivirus, c’est lui qui "
        "déchiffre au passage : demandez à son service informatique de laisser passer cette "
        "adresse.",
    )


def _issuer(road: Way, name: str) -> str:
    """Who signed the certificate that is shown to us; "" when it cannot be read."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with _encrypted(road, context, name) as connection:
            return certificates.issuer(connection.getpeercert(binary_form=True) or b"")
    except (OSError, ValueError):
        return ""


# -- clock -----------------------------------------------------------------------------------------


def clock(api: Api) -> Answer:
    """Whether this machine and the API server agree on the time."""
    began = datetime.now(UTC)
    theirs = within(QUESTION_SECONDS, lambda: api.clock(QUESTION_SECONDS))
    ended = datetime.now(UTC)
    if theirs is None:
        return unverified("Le serveur ne dit pas quelle heure il est.")
    ours = began + (ended - began) / 2
    difference = ours - theirs
    if abs(difference) <= _CLOCK_TOLERANCE:
        return passed(
            "Votre poste et le cluster sont d’accord, à "
            f"{max(1, round(abs(difference.total_seconds())))} s près."
        )
    late = "retarde" if difference < timedelta() else "avance"
    return failed(
        f"L’horloge de votre poste {late} de {duration(abs(difference))} sur celle du cluster.",
        f"Réglez-la. {_set_clock()}",
        cause="Un jeton et un certificat valent entre deux dates : avec une heure fausse, ils sont "
        "refusés ou paraissent expirés.",
    )


def _set_clock() -> str:
    if os.name == "nt":
        return "Dans les paramètres de Windows, « Date et heure », « Synchroniser maintenant »."
    return (
        "Sous Linux : sudo timedatectl set-ntp true ; sous macOS : sudo sntp -sS time.apple.com ; "
        "sous WSL2 : sudo hwclock -s"
    )


# -- NetworkPolicy ---------------------------------------------------------------------------------

POLICIES_NOT_TRIED = skipped(
    "Non essayé : il faut placer quelques pods un instant. Pour savoir si ce cluster applique les "
    "NetworkPolicies :",
    "",
    "cahier diagnostiquer --reseau",
)


def policies(cluster: Cluster) -> Answer:
    """Whether the cluster enforces NetworkPolicy: pods of ours try it. Raises AccessError."""
    try:
        enforced = cluster.enforces_policies
    except Unverifiable as reason:
        return unverified(reason.message, reason.remedy)
    if enforced:
        return passed("Ce cluster les applique : une connexion interdite a été coupée.")
    return failed(
        "Ce cluster ne les applique pas : une connexion interdite est passée.",
        "Sur un cluster kind, recréez-le avec un kind récent (cahier cluster supprimer, puis "
        "cahier cluster creer) ; ailleurs, signalez-le à ceux qui l’administrent.",
        cause="Une base fermée par une NetworkPolicy y reste ouverte : les vérifications qui en "
        "dépendent répondront « non vérifiable ».",
    )
