"""`python -m release FOLDER`: everything that is published of a version, from this checkout.

The same commit makes the same bytes, but for the image, which an engine dates. SOURCE_DATE_EPOCH is
the moment that everything bears: that of the commit, unless it is given.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from checks.errors import CahierError
from release import archives, materials
from release.materials import CHECKOUT

_WITHOUT_GIT = 1_767_225_600  # 2026-01-01: a copy that has no commit
_WHEEL = re.compile(r"cahier_kubernetes-(?P<version>[^-]+)-py3-none-any\.whl")


def main(arguments: Sequence[str]) -> int:
    """Make it all; the exit code."""
    parser = argparse.ArgumentParser(prog="make release", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--without-image", action="store_true")
    parser.add_argument("--without-site", action="store_true")
    given = parser.parse_args(arguments)
    target: Path = given.folder
    os.environ.setdefault("SOURCE_DATE_EPOCH", str(moment()))
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    _say("le wheel")
    wheel = _wheel(target)
    version = _version(wheel)
    if problem := unannounced(version, (CHECKOUT / "CHANGELOG.md").read_text(encoding="utf-8")):
        print(f"✘ {problem}", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as scratch:
        if not given.without_site:
            _say("le site et les carnets")
            _site(Path(scratch), target, version)
        _say("la liste de ce qu’il installe, et leurs licences")
        listed = target / "cahier-kubernetes.cdx.json"
        materials.bill(wheel, Path(scratch, "venv"), listed)
        told = materials.licences(json.loads(listed.read_text(encoding="utf-8")))
        (target / "LICENCES.md").write_text(told, encoding="utf-8")
    shutil.copyfile(CHECKOUT / "onyxia" / "init.sh", target / "init.sh")
    if not given.without_image:
        _image(target, version)
    _sums(target)
    for file in sorted(target.iterdir()):
        file.chmod(0o644)
        print(file)
    return 0


def moment() -> int:
    """When this commit was made (epoch)."""
    command = ["git", "-C", str(CHECKOUT), "log", "-1", "--format=%ct"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return _WITHOUT_GIT
    return int(said) if said else _WITHOUT_GIT


def unannounced(version: str, changes: str) -> str:
    """What keeps a version that a tag names from being published; "" for nothing."""
    tags = subprocess.run(
        ["git", "-C", str(CHECKOUT), "tag", "--points-at", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.split()
    if f"v{version}" not in tags or re.search(
        rf"^## \[{re.escape(version)}\]", changes, re.MULTILINE
    ):
        return ""
    return f"CHANGELOG.md n’a pas de partie « ## [{version}] » : dites ce que cette version change."


def _wheel(target: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
    subprocess.run(
        [*command, "--directory", str(target.resolve())],
        cwd=CHECKOUT,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return next(target.glob("*.whl"))


def _version(wheel: Path) -> str:
    found = _WHEEL.fullmatch(wheel.name)
    assert found is not None
    return found["version"]


def _site(scratch: Path, target: Path, version: str) -> None:
    site, notebooks = scratch / f"site-{version}", scratch / f"carnets-{version}"
    make = ["make", "--no-print-directory", "--silent", "site", f"SITE={site}"]
    subprocess.run(make, cwd=CHECKOUT, check=True, stdout=sys.stderr)
    shutil.copytree(CHECKOUT / "docs" / "notebooks", notebooks)
    for folder in (site, notebooks):
        archive = target / f"{folder.name}.tar.gz"
        archives.pack(folder, archive, int(os.environ["SOURCE_DATE_EPOCH"]))


def _image(target: Path, version: str) -> None:
    """The image's archive, where an engine answers."""
    from checks.local_sspcloud import engine, image
    from checks.local_sspcloud.progress import TerminalProgress

    if not engine.answering():
        _say("aucun moteur de conteneurs ne répond : l’image n’est pas publiée")
        return
    _say("l’image")
    try:
        image.archive(TerminalProgress(), (target / f"image-{version}.tar").resolve(), version)
    except CahierError as problem:
        _say(f"l’image n’est pas publiée : {problem.message}")


def _sums(target: Path) -> None:
    lines = [
        f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n"
        for file in sorted(target.iterdir())
    ]
    (target / "SHA256SUMS").write_text("".join(lines), encoding="utf-8")


def _say(what: str) -> None:
    print(f"→ {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
