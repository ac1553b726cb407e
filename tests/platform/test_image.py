"""The workbook's own container image."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from checks import __version__
from checks.stage import Person


@pytest.mark.cluster
def test_an_image_that_is_there_is_not_made_again(image: str) -> None:
    command = [sys.executable, "-m", "checks.cli.image"]
    done = subprocess.run(
        command, capture_output=True, text=True, encoding="utf-8", timeout=60, check=False
    )
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, image, "")


@pytest.mark.cluster
def test_it_holds_the_command_its_labs_and_kubectl(
    image: str, new_person: Callable[..., Person]
) -> None:
    person = new_person("i")
    words = "cahier --version && cahier lister && kubectl version --client && id -u"
    command = [
        "kubectl",
        "run",
        "essai",
        "--rm",
        "--stdin",
        "--quiet",
        "--restart=Never",
        f"--image={image}",
    ]
    done = subprocess.run(
        [*command, "--command", "--", "sh", "-c", words],
        env={**os.environ, "KUBECONFIG": str(person.kubeconfig)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done
    assert f"cahier {__version__}" in done.stdout
    assert "tp8" in done.stdout
    assert "Client Version" in done.stdout
    assert done.stdout.rstrip().endswith("65532")
