"""Which blocks of addresses (ipBlock) take pods of others."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from checks.diagnosis.policies.allowed import Circle
from checks.objects.policies import IpBlock

Block = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class OpenBlock:
    """A block that takes pods of others, for sure or maybe: a part of `whole`, where it forms it
    with other ones."""

    sure: bool
    whole: str


def open_blocks(
    blocks: Sequence[IpBlock], families: Collection[int], circle: Circle
) -> Mapping[str, OpenBlock]:
    """Of these `ipBlock`, by their cidr, those that take pods of others, for sure or maybe.

    They are judged together: two halves are a whole. `families` are those of the pod's own
    addresses, none where they are not known: a block of another one takes no client of it.
    """
    found: dict[str, OpenBlock] = {}
    for version in (4, 6):
        if families and version not in families:
            continue
        parts = [(block.cidr, part) for block in blocks for part in _parts(block, version)]
        for network in ipaddress.collapse_addresses(part for _, part in parts):
            answer = _takes_others(network, circle)
            for cidr, part in parts:
                if (
                    answer is not False
                    and part.subnet_of(network)
                    and not (cidr in found and found[cidr].sure)
                ):
                    larger = (
                        network.num_addresses
                        > ipaddress.ip_network(cidr, strict=False).num_addresses
                    )
                    found[cidr] = OpenBlock(answer is True, str(network) if larger else "")
    return found


def _takes_others(network: Block, circle: Circle) -> bool | None:
    """Whether pods of others have addresses in it, None where it cannot be known.

    Where a connection was tried, what holds no address of this cluster's pods is outside of it;
    what holds that of a pod that stayed out takes no pods, on this network.
    """
    tried = circle.tried
    inside = [ip for ip in circle.addresses if ipaddress.ip_address(ip) in network]
    if tried is not None and tried.ip and ipaddress.ip_address(tried.ip) in network:
        return circle.entered
    if inside and network.num_addresses == 1:
        return False  # a pod that we know, and no other
    return None if inside or tried is None or not tried.ip else False


def _parts(block: IpBlock, version: int) -> Iterator[Any]:
    """The networks of a block, its exceptions taken out."""
    whole = ipaddress.ip_network(block.cidr, strict=False)
    parts = [whole] if whole.version == version else []
    for text in block.exceptions:
        hole: Any = ipaddress.ip_network(text, strict=False)
        parts = [
            piece
            for part in parts
            for piece in (
                []
                if part.subnet_of(hole)
                else part.address_exclude(hole)
                if hole.subnet_of(part)
                else [part]
            )
        ]
    yield from parts
