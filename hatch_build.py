"""What the checkout alone knows when a wheel is made of it: its version, by its git tag, and where
it is published."""

from __future__ import annotations

import re
import runpy
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

_WRITTEN = re.compile(r'(?<=^__version__ = ")[^"]+', re.MULTILINE)
_TAG = re.compile(r"v(\d+(?:\.\d+)*(?:(?:a|b|rc)\d+)?)")


def version(root: Path) -> str:
    """The version that the tag of this commit names, or else that of the code: a checkout may have
    no tag, nor git."""
    (written,) = _WRITTEN.findall((root / "checks" / "__init__.py").read_text(encoding="utf-8"))
    if not (root / ".git").exists():
        return written
    command = ["git", "-C", str(root), "tag", "--points-at", "HEAD", "--sort=-version:refname"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    except OSError:
        return written
    return next((found[1] for tag in said.split() if (found := _TAG.fullmatch(tag))), written)


class Metadata(MetadataHookInterface):
    """Version and address."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Add them to what pyproject.toml says."""
        root = Path(self.root)
        address = runpy.run_path(str(root / "checks" / "site" / "address.py"))
        urls = {"Source": address["repository"](root), "Documentation": address["site"](root)}
        metadata["version"] = version(root)
        metadata["urls"] = {name: url for name, url in urls.items() if url}


class Build(BuildHookInterface[Any]):
    """The version, written in the wheel: the command tells it without reading the metadata."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Replace the version that the code says by that of the wheel."""
        if version != "standard":  # an editable installation reads the code itself
            return
        module = "checks/__init__.py"
        text = Path(self.root, module).read_text(encoding="utf-8")
        self._folder = (
            tempfile.TemporaryDirectory()
        )  # gone with this object, once the wheel is made
        file = Path(self._folder.name, "__init__.py")
        file.write_text(_WRITTEN.sub(self.metadata.version, text), encoding="utf-8")
        build_data["force_include"][str(file)] = module
