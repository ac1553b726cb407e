"""Where this project is published, said once: `repo_url` of mkdocs.yml, or else the git remote of
this checkout; its site is at `site_url`, or else where the forge publishes the pages of a
repository.

The standard library only: the metadata of the wheel are made with it too (hatch_build.py).
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

CHECKOUT = Path(__file__).parents[2]
ONYXIA = "https://datalab.sspcloud.fr"
_REPO_URL = re.compile(r"^repo_url: *['\"]?([^\s'\"#]+)", re.MULTILINE)
_SITE_URL = re.compile(r"^site_url: *['\"]?([^\s'\"#]+)", re.MULTILINE)
_PAGES = {"github.com": "github.io", "gitlab.com": "gitlab.io"}
_ONYXIA = re.compile(r"^  onyxia: *['\"]?([^\s'\"#]+)", re.MULTILINE)
_SSH = re.compile(r"(?:ssh://)?(?:[\w.-]+@)?(?P<host>[\w.-]+)(?::(?:\d+/)?|/)(?P<path>[^:\s]+)")
_RAW_OF_GITHUB = "https://raw.githubusercontent.com"


def repository(checkout: Path = CHECKOUT) -> str:
    """The address of the repository, by which anybody reads it; "" where nothing says it."""
    return given(checkout) or public(_remote(checkout))


def given(checkout: Path = CHECKOUT) -> str:
    """The address that mkdocs.yml gives; "" where it gives none."""
    return _said(checkout, _REPO_URL).rstrip("/")


def site(checkout: Path = CHECKOUT) -> str:
    """The address of the site, with a slash at its end; "" where nothing says it.

    https://docs.github.com/pages and https://docs.gitlab.com/user/project/pages/ tell where pages
    are published; another forge has its own rules.
    """
    said = _said(checkout, _SITE_URL)
    if said:
        return f"{said.rstrip('/')}/"
    parts = urlsplit(repository(checkout))
    owner, _, name = parts.path.strip("/").partition("/")
    pages = _PAGES.get(parts.hostname or "")
    return f"https://{owner.lower()}.{pages}/{name}/" if pages and name else ""


def onyxia(checkout: Path = CHECKOUT) -> str:
    """The instance of Onyxia that the pages lead to."""
    return (_said(checkout, _ONYXIA) or ONYXIA).rstrip("/")


def public(remote: str) -> str:
    """A git remote as an address of the web, without anybody's name or password; "" for a folder of
    this machine."""
    parts = urlsplit(remote)
    if parts.scheme in ("http", "https"):
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{_path(parts.path)}"
    found = _SSH.fullmatch(remote)
    if found is None or not (remote.startswith("ssh://") or "@" in remote.partition(":")[0]):
        return ""
    return f"https://{found['host']}{_path('/' + found['path'])}"


def raw(repository: str, path: str) -> str:
    """The address that answers a file of the repository itself, without any redirection: that of
    GitHub, or else of GitLab."""
    parts = urlsplit(repository)
    if parts.hostname == "github.com":
        return f"{_RAW_OF_GITHUB}{parts.path}/HEAD/{path}"
    return f"{repository}/-/raw/HEAD/{path}"


def _path(path: str) -> str:
    return path.rstrip("/").removesuffix(".git")


def _said(checkout: Path, setting: re.Pattern[str]) -> str:
    try:
        found = setting.search((checkout / "mkdocs.yml").read_text(encoding="utf-8"))
    except OSError:
        return ""
    return found[1] if found else ""


def _remote(checkout: Path) -> str:
    if not (checkout / ".git").exists():  # an unpacked archive may lie in somebody's own repository
        return ""
    command = ["git", "-C", str(checkout), "config", "--get", "remote.origin.url"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip()
