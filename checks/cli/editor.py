"""What a started lab gives VSCode: a task that verifies, by one key, and one that hints."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
from pathlib import Path

from checks.files import write_atomically
from checks.lab import Lab


def give_tasks(lab: Lab, folder: Path) -> bool:
    """Write `.vscode/tasks.json` in the lab's folder, unless there is one; whether it was.

    They run the program that wrote them, for the same cluster: an editor knows no terminal's
    environment. https://code.visualstudio.com/docs/debugtest/tasks#_custom-tasks
    """
    file = folder / ".vscode" / "tasks.json"
    if file.exists():
        return False
    tasks = {
        "version": "2.0.0",
        "tasks": [_task(lab, folder, "Vérifier"), _task(lab, folder, "Indice")],
    }
    with contextlib.suppress(OSError):  # a lab is done without an editor, too
        file.parent.mkdir(exist_ok=True)
        text = json.dumps(tasks, ensure_ascii=False, indent=2) + "\n"
        write_atomically(file, text.encode(), for_others=True)
        return True
    return False


def _task(lab: Lab, folder: Path, label: str) -> dict[str, object]:
    verifies = label == "Vérifier"
    options: dict[str, object] = {"cwd": str(folder.resolve())}
    if os.environ.get("KUBECONFIG"):
        options["env"] = {"KUBECONFIG": os.environ["KUBECONFIG"]}
    task: dict[str, object] = {
        "label": label,
        "type": "process",
        "command": shutil.which(sys.argv[0]) or "cahier",
        "args": ["verifier" if verifies else "indice", lab.short_name],
        "options": options,
        "presentation": {"reveal": "always", "clear": True},
        "problemMatcher": [],
    }
    if verifies:  # Ctrl+Shift+B
        task["group"] = {"kind": "build", "isDefault": True}
    return task
