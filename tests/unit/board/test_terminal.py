"""The board in a terminal: redrawn where a person looks, until Ctrl-C."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from tests.support.watched_api import watched_api
from tests.support.watched_class import pod

NAMES = ("ana", "bob")


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="pexpect needs POSIX")
def test_it_is_redrawn_until_ctrl_c_and_leaves_the_history_alone(tmp_path: Path) -> None:
    import pexpect

    roster = tmp_path / "classe.csv"
    rows = [f"{name},Nuit,{name.title()},{name}@e.fr,user-{name}," for name in NAMES]
    header = "identifiant,nom,prenom,email,namespace,collegue"
    roster.write_text("\n".join([header, *rows]), encoding="utf-8")
    with watched_api() as api:
        for name in NAMES:
            api.person(name)
        words = ["classe", "suivre", str(roster), "--labs", "tp2", "--terminal", "--kubeconfig"]
        words.append(str(api.kubeconfig(tmp_path / "prof.kubeconfig")))
        shown = pexpect.spawn(
            sys.executable,
            ["-c", "from checks.cli import main; main()", *words],
            dimensions=(20, 100),
            encoding="utf-8",
            timeout=60,
        )
        shown.expect("2 personnes, 2 à l’arrêt")
        api.put("pods", pod("mon-api-1", ready=False), "user-ana")
        shown.expect("TP2 · Votre API est démarrée et prête")
        shown.kill(signal.SIGINT)
        shown.expect(pexpect.EOF)
        shown.close()
        assert shown.exitstatus == 130
    left = {file.name for file in tmp_path.iterdir()}
    assert left == {roster.name, "prof.kubeconfig", "historique-classe.sqlite"}
