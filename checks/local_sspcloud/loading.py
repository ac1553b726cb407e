"""An image put in the nodes of the local cluster, under the name that pods run, where no registry
gives it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from checks.errors import CahierError
from checks.places import CLUSTER_NAME

if TYPE_CHECKING:
    from checks.local_sspcloud.engine import Engine

KEY_LABEL = "cahier.key"
"""Label of an image: what it was made from, in a few letters."""


def lacking(engine: Engine, name: str, key: str) -> list[str]:
    """The running nodes where the image of this full name is not there, or was made from something
    else. Raises CahierError."""
    wanted = f'name=={name},labels."{KEY_LABEL}"=={key}'
    return [
        node.name
        for node in engine.nodes()
        if node.running and name not in _images(engine, node.name, "list", "--quiet", wanted)
    ]


def load(engine: Engine, node: str, archive: Path, name: str, key: str, remedy: str) -> None:
    """Load the archive of an image in a node. Raises CahierError."""
    done = engine.run_kind(
        "load", "image-archive", str(archive), "--name", CLUSTER_NAME, "--nodes", node
    )
    if done.returncode:
        raise CahierError(
            f"kind n’a pas pu charger l’image dans {node} : {done.stderr.strip()[-300:]}", remedy
        )
    _images(engine, node, "label", name, f"{KEY_LABEL}={key}")


def _images(engine: Engine, node: str, *arguments: str) -> str:
    return engine.run("exec", node, "ctr", "--namespace", "k8s.io", "images", *arguments)
