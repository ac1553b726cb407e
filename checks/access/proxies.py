"""HTTP proxies as kubectl understands them: where the Kubernetes client library does less, this
says the same."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

from urllib3.util import make_headers

from checks.redaction import remember_url


def complete(proxy: str) -> str:
    """The address with its scheme: `proxy.example:3128` is an HTTP proxy."""
    return proxy if "://" in proxy else f"http://{proxy}"


def shown(proxy: str) -> str:
    """The address without the name and password that it may hold."""
    scheme, _, rest = complete(proxy).partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


def credentials(proxy: str) -> Mapping[str, str]:
    """The header that carries the name and password of a proxy's address; empty where it holds
    none."""
    parts = urlsplit(complete(proxy))
    remember_url(proxy)
    if not parts.username:
        return {}
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return dict(make_headers(proxy_basic_auth=pair))


def is_loopback(server: str) -> bool:
    """Whether this address is the machine itself, which no proxy of the environment ever leads
    to."""
    host = urlsplit(server).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def exclusion(server: str, no_proxy: str) -> str:
    """The rule of NO_PROXY that has `server` reached without a proxy; "" when none does."""
    if not no_proxy:
        return ""
    # Late: it loads the whole client library.
    from kubernetes.client.rest import should_bypass_proxies  # type: ignore[attr-defined]  # newer than the stubs

    rules = (rule.strip() for rule in no_proxy.split(","))
    return next((rule for rule in rules if rule and should_bypass_proxies(server, rule)), "")
