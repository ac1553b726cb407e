"""What kubectl refuses in a configuration before it sends any request: the rules of client-go."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from checks.access import proxies, user_rules
from checks.access.kubeconfig import Choice, is_encrypted, server
from checks.access.kubeconfig_file import RENEW
from checks.access.user_rules import BOTH, unreadable, unset
from checks.errors import ConfigurationRefused
from checks.french import SCRIPT_PAGE


def must_be_accepted(choice: Choice) -> None:
    """Raises ConfigurationRefused where kubectl refuses what the current context designates."""
    problem = next(_problems(choice), None)
    if problem is not None:
        raise problem


def _problems(choice: Choice) -> Iterator[ConfigurationRefused]:
    yield from _of_cluster(choice)
    yield from user_rules.problems(choice)
    if is_encrypted(choice):
        yield from _of_encryption(choice)


def _of_cluster(choice: Choice) -> Iterator[ConfigurationRefused]:
    cluster, name = choice.cluster, choice.context.cluster
    if not _leads_somewhere(server(cluster)):
        yield ConfigurationRefused(
            f"L’adresse du cluster « {name} » n’en est pas une : {proxies.shown(server(cluster))}",
            RENEW,
        )
    if not _may_be_host(cluster.tls_server_name):
        yield ConfigurationRefused(
            f"Le nom que doit porter le certificat du cluster « {name} » (tls-server-name) ne peut "
            "être celui d’aucun serveur.",
            "S’il n’est pas nécessaire, retirez-le :",
            unset("clusters", name, "tls-server-name"),
        )
    if cluster.proxy_url:
        yield from _of_proxy(name, cluster.proxy_url)
    if cluster.certificate_authority and cluster.certificate_authority_data:
        yield ConfigurationRefused(
            f"Le cluster « {name} » donne deux fois son autorité de certification : "
            "certificate-authority et certificate-authority-data.",
            BOTH,
            unset("clusters", name, "certificate-authority"),
            "kubectl ne choisit pas entre les deux.",
        )
    yield from unreadable(
        f"le cluster « {name} »", "certificate-authority", cluster.certificate_authority
    )


def _of_proxy(name: str, proxy: str) -> Iterator[ConfigurationRefused]:
    scheme, separator, _ = proxy.partition("://")
    known = bool(separator) and scheme in ("http", "https", "socks5") and _leads_somewhere(proxy)
    if not known:
        yield ConfigurationRefused(
            f"Le proxy du cluster « {name} » (proxy-url) n’a pas une adresse que kubectl comprend "
            f": {proxies.shown(proxy)}",
            "Une telle adresse commence par http://, https:// ou socks5://. Si aucun proxy n’est "
            "nécessaire :",
            unset("clusters", name, "proxy-url"),
        )


def _leads_somewhere(address: str) -> bool:
    try:
        parts = urlsplit(address)
        return bool(parts.hostname) and parts.port != 0 and _may_be_host(parts.hostname or "")
    except ValueError:
        return False


def _may_be_host(name: str) -> bool:
    try:
        name.encode("idna")
    except UnicodeError:
        return False
    return True


def _of_encryption(choice: Choice) -> Iterator[ConfigurationRefused]:
    cluster, name = choice.cluster, choice.context.cluster
    if cluster.insecure_skip_tls_verify and (
        cluster.certificate_authority or cluster.certificate_authority_data
    ):
        yield ConfigurationRefused(
            f"Le cluster « {name} » de votre configuration porte à la fois une autorité de "
            "certification et insecure-skip-tls-verify.",
            "Si cette autorité n’est pas celle du cluster, copiez de nouveau le script de "
            f"{SCRIPT_PAGE}. Sinon, gardez-la, et retirez insecure-skip-tls-verify :",
            unset("clusters", name, "insecure-skip-tls-verify"),
            "L’une demande de vérifier le certificat du serveur, l’autre de ne pas le faire : "
            "kubectl ne choisit pas, et refuse toute commande.",
        )
