"""HTTP proxies as kubectl understands them: where Python's own rules do less, this says the
same."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]  # not in the stubs

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
    rules = (rule.strip() for rule in no_proxy.split(","))
    return next((rule for rule in rules if rule and _excludes(rule, server)), "")


def _excludes(rule: str, server: str) -> bool:
    """Whether one rule names the server: everything, a block of addresses, a name or an address
    with or without its port, a domain with or without its dot."""
    parts = urlsplit(server)
    if not parts.hostname:
        return True
    try:
        if ipaddress.ip_address(parts.hostname) in ipaddress.ip_network(rule, strict=False):
            return True
    except ValueError:
        pass
    return bool(proxy_bypass_environment(parts.netloc, {"no": rule}))
