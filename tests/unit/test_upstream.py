"""Kubernetes' own tests: what is read of their report, and what the site says of it. No cluster is
asked, and nothing is compiled."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pytest

from engine import build, lab_images, paths
from tests.platform.upstream import images, programs, record, report, suite
from tests.platform.upstream.__main__ import main
from tests.platform.upstream.record import Failure, Outcome, Proof
from tests.support.throwaway import Throwaway


def test_they_have_the_version_and_the_libraries_of_the_programs_of_the_local_cluster() -> None:
    """Otherwise another version would be tried, or nearly all would be compiled again."""
    ours, theirs = (_modules(folder / "go.mod") for folder in (build.MODULE, programs.MODULE))
    assert theirs["k8s.io/kubernetes"] == paths.KUBERNETES
    assert {name: theirs[name] for name in ours.keys() & theirs} == {
        name: ours[name] for name in ours.keys() & theirs
    }


def _modules(file: Path) -> Mapping[str, str]:
    """Version of each module, as it is required or replaced."""
    pairs = re.findall(r"(\S+) (v\d\S*)(?: // indirect)?$", file.read_text(), re.MULTILINE)
    return dict(pairs)


def spec(name: str, state: str, labels: list[str] | None = None, said: str = "") -> object:
    return {
        "ContainerHierarchyTexts": ["[sig-network] Netpol", "between server and client"],
        "ContainerHierarchyLabels": [["Feature:NetworkPolicy"], None],
        "LeafNodeType": "It",
        "LeafNodeText": name,
        "LeafNodeLabels": labels,
        "State": state,
        **({"Failure": {"Message": said}} if said else {}),
    }


def test_what_passed_what_did_not_and_why_some_were_not_played() -> None:
    other = {"LeafNodeType": "It", "LeafNodeText": "[sig-apps] Job", "State": "passed"}
    setup = {"LeafNodeType": "SynchronizedBeforeSuite", "LeafNodeText": "", "State": "passed"}
    specs = [
        spec("allows", "passed"),
        spec("denies", "failed", said="wrong reachability"),
        spec("hangs", "timedout", said="too long"),
        spec("alone", "skipped", ["Serial", "Slow"]),
        spec("sctp", "skipped", ["Feature:SCTPConnectivity"]),
        spec("sctp too", "skipped", ["Feature:SCTPConnectivity"]),
        spec("windows", "skipped", said="Only supported\non windows, got" + 50 * " nothing"),
        other,
        setup,
    ]
    text = json.dumps([{"SpecReports": specs}]).encode()
    place = "[sig-network] Netpol between server and client"
    assert suite.outcome("networkpolicy", text) == Outcome(
        passed=1,
        failed=(
            Failure(f"{place} denies", "wrong reachability"),
            Failure(f"{place} hangs", "too long"),
        ),
        skipped={
            "Feature:SCTPConnectivity": 2,
            f"Only supported on windows, got{8 * ' nothing'} …": 1,
            "Serial, Slow": 1,
        },
    )


@pytest.mark.parametrize(("code", "state"), [(1, "failed"), (0, "passed"), (1, "skipped")])
def test_where_they_could_not_be_played_nothing_is_proven(
    code: int, state: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As where the nodes are not ready: every test is put aside then, and none has failed."""
    (tmp_path / "report.json").write_text(json.dumps([{"SpecReports": [spec("allows", state)]}]))
    done = subprocess.CompletedProcess[str]([], code)
    monkeypatch.setattr(subprocess, "run", lambda *words, **options: done)
    cluster = Throwaway(tmp_path / "kubeconfig", tmp_path)
    with pytest.raises(SystemExit) if state == "skipped" else contextlib.nullcontext():
        outcome = suite.play("networkpolicy", Path("made"), cluster, 3, tmp_path)
        assert (outcome.passed, len(outcome.failed)) == (1 - code, code)


def test_an_image_that_is_made_here_is_pushed_under_each_name_that_the_tests_ask_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """But not the program of these sources in the place of another version of it, nor an image of a
    registry that is to refuse."""
    tests = "registry.k8s.io/e2e-test-images"
    listed = [
        *(f"{tests}/agnhost:2.66.1", f"{tests}/agnhost:2.55", f"{tests}/busybox:1.37.0-2"),
        *("registry.k8s.io/pause:3.10.2", "registry.k8s.io/etcd:3.7.0-0"),
        "invalid.registry.k8s.io/e2e-test-images/busybox:3.1",
    ]
    pushed = []

    def run(command: list[object], **_: object) -> subprocess.CompletedProcess[str]:
        if command[1] == "--list-images":
            return subprocess.CompletedProcess([], 0, "\n".join(listed))
        pushed.append(str(command[-1]).partition(":5000/")[2])
        return subprocess.CompletedProcess([], 0)

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(programs, "agnhost_version", lambda: "2.66.1")
    monkeypatch.setattr(lab_images, "archive", lambda image: Path("image.tar"))
    images.push(Path("made"))
    assert pushed == [
        "e2e-test-images/agnhost:2.66.1",
        "e2e-test-images/busybox:1.37.0-2",
        "pause:3.10.2",
    ]


def test_an_area_that_is_not_known_compiles_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *words, **options: pytest.fail(str(words)))
    with pytest.raises(SystemExit):
        main(["storage"])
    assert "storage: not one of networkpolicy, " in capsys.readouterr().err


def proof(area: str, day: int, *failed: Failure, version: str = "v1.37.2") -> Proof:
    outcome = Outcome(7, failed, {"Serial": 1, "Only for gce": 3})
    return Proof(version, 3, area, date(2026, 1, day), 5, outcome)


def test_a_proof_takes_the_place_of_the_one_before_it_of_its_area(tmp_path: Path) -> None:
    file, order = tmp_path / "record.json", [*suite.AREAS]
    for one in (proof("dns", 1, version="v1.36.0"), proof("networkpolicy", 2), proof("dns", 3)):
        record.keep(one, order, file)
    assert [*record.read(file)] == [proof("networkpolicy", 2), proof("dns", 3)]


def test_the_table_says_what_passed_what_failed_and_what_was_put_aside() -> None:
    text = report.table([proof("dns", 2), proof("services", 3, Failure("a test", "two\nlines"))])
    rows = [line for line in text.splitlines() if line.startswith("| v")]
    assert rows == [
        "| v1.37.2 | 3 | DNS | 7 | aucun | 4 | 02/01/2026 |",
        "| v1.37.2 | 3 | Services | 7 | 1 | 4 | 03/01/2026 |",
    ]
    assert "- En échec, `a test` :\n\n    ```text\n    two\n    lines\n    ```" in text
    assert "- Écartés, DNS :\n\n    - 3 : `Only for gce`\n    - 1 : `Serial`" in text


def test_the_committed_record_is_of_every_area_and_of_our_version() -> None:
    """Otherwise `make upstream` is to be run again."""
    proofs = record.read()
    assert [one.area for one in proofs] == [*suite.AREAS]
    assert {one.kubernetes for one in proofs} == {paths.KUBERNETES}
    assert all(one.outcome.passed for one in proofs)
