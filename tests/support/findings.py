"""The lesson that each mistake of the corpus gets, kept beside it as `constat.md`: under review,
and true.

A cluster's own words vary from one run to the next (addresses, hashes, restarts): an ellipsis
stands for them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from checks.lab import Lab
from checks.stage import Stage

NAME = "constat.md"
_VARYING = (
    (r"\b10\.\d+\.\d+\.\d+\b", "10.…"),
    (r"\b(mon-api|[a-z-]+)-[0-9a-f]{8,10}-[a-z0-9]{5}\b", r"\1-…"),  # a Deployment's pod
    # its version, in the name of a pod that was refused; Kubernetes' own version changes it too
    (r"\"([a-z-]+)-[bcdf-hj-np-tv-xz2-9]{6,10}-\"", r'"\1-…"'),
    (r"(?i)\b(replicasets? (?:« )?[a-z-]+)-[bcdf-hj-np-tv-xz2-9]{6,10}\b", r"\1-…"),  # its version
    (r"\bcahier-sonde-[0-9a-z-]+", "cahier-sonde-…"),
    (r"\b(ErrImagePull|ImagePullBackOff)\b", "ImagePullBackOff"),
    (r"\bprocessus \d+", "processus …"),
    (r"\bkill \d+", "kill …"),
    (r"\b\d+ redémarrage", "… redémarrage"),
    (r"\d{4}[/-]\d\d[/-]\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?", "…"),
    (r"socat\[\d+\]", "socat[…]"),
    (r"\b(?!27017\b)[1-6]\d{4}\b", "…"),  # a local port that was free; MongoDB's is its own
    (r"\bin \d+(\.\d+)?s\b", "in … s"),
)


def written(stage: Stage, check: Mapping[str, Any]) -> str:
    """The Markdown of one failed check, in the names of the lab's story."""
    return lasting(_in_the_story(stage, lesson(check)))


def lesson(check: Mapping[str, Any]) -> str:
    """The Markdown of one failed check."""
    lines = [
        f"# {check['title']}",
        "",
        f"**Constat.** {check['finding']}",
        "",
        f"**Pourquoi.** {check['cause']}",
        "",
    ]
    lines += [f"**Remède.** {check['fix']}", ""]
    if check["fix_lines"]:
        lines += ["```yaml", *check["fix_lines"], "```", ""]
    if check["fix_commands"]:
        lines += ["```console", *(f"$ {command}" for command in check["fix_commands"]), "```", ""]
    return "\n".join(lines)


def path(lab: Lab, mistake: str) -> Path:
    """Where it is kept."""
    return lab.folder / "erreurs" / mistake / NAME


def lasting(text: str) -> str:
    """The text without what varies from one run to the next."""
    for pattern, replacement in _VARYING:
        text = re.sub(pattern, replacement, text)
    return text


def _in_the_story(stage: Stage, text: str) -> str:
    story = stage.lab.about.story
    names = {stage.learner.namespace: story.namespace}
    names |= {person.namespace: told for told, person in stage.team.items()}
    if stage.colleague:
        names[stage.colleague.namespace] = story.colleague
    for real, told in names.items():
        text = text.replace(real, told).replace(
            real.replace("user-", "oidc-", 1), told.replace("user-", "oidc-", 1)
        )
        text = text.replace(
            f"kubeconfig {real.removeprefix('user-')})", f"kubeconfig {told.removeprefix('user-')})"
        )
        text = text.replace(
            f"cahier-{real.removeprefix('user-')}", f"cahier-{told.removeprefix('user-')}"
        )
        text = text.replace(real.upper(), told.upper())  # a name typed in capitals
    if stage.local_port and stage.lab.about.port:
        text = re.sub(rf"\b{stage.local_port}\b", str(stage.lab.about.port), text)
    return text
