"""The archive of the engine: taken whole, or not at all."""

from __future__ import annotations

import io
import json
import os
import random
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

if os.name == "nt":
    pytest.skip("the engine needs Linux", allow_module_level=True)

from engine import cache, carried, linux, packages, paths
from engine.problems import EngineProblem

Member = tuple[tarfile.TarInfo, bytes]
_CHECKOUT = Path(__file__).parents[3]
_NEEDED = ("engine-programs", "programs", "node-image", "lab-images")


def tree(folder: Path) -> Mapping[str, object]:
    """All that a folder holds, with what a program of it can be told from another."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = path.readlink()
        elif path.is_file():
            found[name] = (path.read_bytes(), os.access(path, os.X_OK))
        else:
            found[name] = None
    return found


def taken() -> Mapping[str, object]:
    """The cache without its lock."""
    return {name: what for name, what in tree(paths.cache()).items() if name != "lock"}


def fill(*kinds: str) -> None:
    """A pretend cache, of the true keys."""
    known = carried._all()
    for kind in kinds:
        folder = cache.place(kind, known[kind])
        (folder / "node/empty").mkdir(parents=True)
        (folder / "node/cluster").write_bytes(random.Random(kind).randbytes(300_000))
        (folder / "node/cluster").chmod(0o755)
        (folder / "node/ctr").symlink_to("cluster")
        (folder / "spare").mkdir()
        (folder / "spare/kubectl").symlink_to("../node/cluster")
        (folder / "liste à l’abri").write_text("un\n")


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Moves to another machine: an empty cache."""

    def move(name: str) -> Path:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / name))
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / f"{name}-state"))
        return paths.cache()

    monkeypatch.delenv("CAHIER_CACHE", raising=False)
    move("first")
    return move


@pytest.fixture
def archive(tmp_path: Path, machine: Callable[[str], Path]) -> Path:
    """That of the first machine; the test is on the second."""
    fill(*_NEEDED, "mongodb")
    written = carried.write(tmp_path / "dist")
    machine("second")
    return written


def members(archive: Path) -> list[Member]:
    plain = subprocess.run(["zstd", "-dqc", archive], stdout=subprocess.PIPE, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
        return [
            (member, content.read() if (content := tar.extractfile(member)) else b"")
            if member.isreg()
            else (member, b"")
            for member in tar
        ]


def rewritten(archive: Path, content: list[Member]) -> Path:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for member, data in content:
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    packed = subprocess.run(
        ["zstd", "-qc"], input=buffer.getvalue(), stdout=subprocess.PIPE, check=True
    )
    archive.write_bytes(packed.stdout)
    return archive


def with_manifest(archive: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    (first, text), *rest = members(archive)
    manifest = json.loads(text)
    change(manifest)
    return rewritten(archive, [(first, json.dumps(manifest).encode()), *rest])


def refused(archive: Path, reason: str) -> EngineProblem:
    """Told, and nothing is there."""
    with pytest.raises(EngineProblem, match=reason) as raised:
        carried.take(archive)
    assert not paths.cache().exists() or tree(paths.cache()) == {}
    return raised.value


def test_what_is_taken_is_what_was_written(archive: Path, tmp_path: Path) -> None:
    told: list[str] = []
    assert carried.lacks()
    carried.take(archive, told.append)
    assert tree(paths.cache()) == tree(tmp_path / "first/cahier-kubernetes")
    assert not carried.lacks()
    assert not carried.lacks("mongodb")
    assert carried.lacks("operator")
    assert told[-1].split()[0] == told[-1].split()[-1]  # all of all


def test_the_same_cache_gives_the_same_bytes(
    archive: Path, tmp_path: Path, machine: Callable[[str], Path]
) -> None:
    machine("third")
    fill("mongodb", *reversed(_NEEDED))
    again = carried.write(tmp_path / "elsewhere")
    assert again.name == archive.name
    assert again.read_bytes() == archive.read_bytes()


def test_what_is_there_is_left_as_it_is(archive: Path) -> None:
    fill("programs")
    (kept,) = (paths.cache() / "programs").iterdir()
    (kept / "mine").touch()
    carried.take(archive)
    assert (kept / "mine").exists()
    assert not carried.lacks()


def test_where_an_archive_is_looked_for(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "SOURCES", tmp_path / "engine")
    monkeypatch.setattr(carried, "name", lambda: archive.name)
    assert carried.found() == archive
    monkeypatch.setenv("CAHIER_CACHE", str(tmp_path))
    assert carried.found() is None
    monkeypatch.setenv("CAHIER_CACHE", str(archive.parent))
    assert carried.found() == archive
    archive = archive.rename(tmp_path / "renamed")
    monkeypatch.setenv("CAHIER_CACHE", str(archive))
    assert carried.found() == archive
    monkeypatch.setenv("CAHIER_CACHE", str(tmp_path / "nowhere"))
    with pytest.raises(EngineProblem, match=r"ni archive ni dossier") as raised:
        carried.found()
    assert "unset CAHIER_CACHE" in raised.value.remedy


@pytest.mark.parametrize("kept", [0.0, 0.01, 0.5, 0.9, 0.999])
def test_a_truncated_archive(archive: Path, kept: float) -> None:
    whole = archive.read_bytes()
    archive.write_bytes(whole[: int(len(whole) * kept)])
    problem = refused(archive, "coupée, ou abîmée")
    assert f"rm {archive}" in problem.remedy


def test_what_is_no_archive(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAHIER_CACHE", str(archive))
    archive.write_bytes(b"<html>404</html>" * 1000)
    assert "unset CAHIER_CACHE" in refused(archive, "coupée, ou abîmée").remedy


def test_the_archive_of_somebody_else(archive: Path) -> None:
    stranger = tarfile.TarInfo("programs")
    refused(rewritten(archive, [(stranger, b"hello")]), "`make cache` ne l’a pas écrite")


@pytest.mark.parametrize("kind", ["file", "program", "link", "folder"])
def test_a_member_that_was_changed(archive: Path, kind: str) -> None:
    content = members(archive)
    at = [one["kind"] for one in json.loads(content[0][1])["entries"]].index(kind) + 1
    member, data = content[at]
    if member.isreg():
        data = bytes([data[0] ^ 1]) + data[1:]
    elif member.issym():
        member.linkname = "../../../../../etc/passwd"
    else:
        member.type = tarfile.FIFOTYPE
    content[at] = (member, data)
    refused(rewritten(archive, content), "n’est pas ce que dit son manifeste")


def test_a_member_more_and_a_member_less(archive: Path) -> None:
    content = members(archive)
    more = tarfile.TarInfo("../../etc/cron.d/more")
    refused(rewritten(archive, [*content, (more, b"x")]), "autre chose que ce que dit")
    refused(rewritten(archive, content[:-1]), "coupée, ou abîmée")


def test_another_kind_of_machine(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_manifest(archive, lambda manifest: manifest.update(architecture="s390x"))
    refused(archive, f"processeur s390x, celui de cette machine est {packages.architecture()}")


def test_other_sources(archive: Path) -> None:
    def change(manifest: dict[str, Any]) -> None:
        old = manifest["parts"]["programs"]
        manifest["parts"]["programs"] = "0" * 16
        for one in manifest["entries"]:
            one["path"] = one["path"].replace(f"programs/{old}", f"programs/{'0' * 16}")

    refused(with_manifest(archive, change), "faite d’autres sources")


@pytest.mark.parametrize(
    "harm",
    [
        {"path": "../out", "kind": "file"},
        {"path": "/etc/cron.d/out", "kind": "file"},
        {"path": "programs/KEY/../../out", "kind": "file"},
        {"path": "programs/KEY/./out", "kind": "file"},
        {"path": "other/KEY/out", "kind": "file"},
        {"path": "programs/KEY/out", "kind": "link", "digest": "/etc/passwd"},
        {"path": "programs/KEY/out", "kind": "link", "digest": "../../../../out"},
        {"path": "programs/KEY/out", "kind": "link", "digest": "../KEYS"},
        {"path": "programs/KEY/node/ctr/out", "kind": "file"},
        {"path": "programs/KEY/node/cluster", "kind": "file"},
        {"path": "programs/KEY", "kind": "link", "digest": "KEY"},
        {"path": "programs/KEY/a\0b", "kind": "file"},
    ],
)
def test_nothing_leaves_its_part(archive: Path, harm: dict[str, str], tmp_path: Path) -> None:
    ours = carried._all()["programs"]
    entry = {"size": 0, "digest": "", **{key: x.replace("KEY", ours) for key, x in harm.items()}}
    before = {*tmp_path.iterdir()}
    with_manifest(archive, lambda manifest: manifest["entries"].append(entry))
    refused(archive, "n’y a rien à faire")
    assert {*tmp_path.iterdir()} <= before | {tmp_path / "second"}


@pytest.mark.parametrize(
    "change",
    [
        lambda manifest: manifest.clear(),
        lambda manifest: manifest.update(entries=3),
        lambda manifest: manifest["entries"].append({"path": 3, "kind": "file"}),
        lambda manifest: manifest["entries"].append({"surprise": 1}),
    ],
)
def test_a_manifest_that_says_anything(
    archive: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    refused(with_manifest(archive, change), "manifeste est illisible")


def test_a_manifest_of_the_future(archive: Path) -> None:
    with_manifest(archive, lambda manifest: manifest.update(format=2))
    refused(archive, "une autre version du cahier")


# In another process: takes the lock, as the engine does.
_TAKING = """
import sys
from pathlib import Path
from engine import carried, linux, paths
with linux.lock(paths.cache() / "lock") as take:
    take(wait=True)
    carried.discard_unfinished()
    carried.take(Path(sys.argv[1]), lambda said: None)
"""


def taking(archive: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", _TAKING, str(archive)],
        cwd=_CHECKOUT,
        stderr=subprocess.DEVNULL,
    )


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_one_that_is_ended_in_the_middle(
    archive: Path, tmp_path: Path, how: signal.Signals
) -> None:
    fifo = tmp_path / "slow"  # never gives its end
    os.mkfifo(fifo)
    process = taking(fifo)
    with fifo.open("wb") as file:
        whole = archive.read_bytes()
        file.write(whole[: len(whole) * 9 // 10])
        file.flush()
        deadline = time.monotonic() + 20
        while not any(paths.cache().glob(".taking-*/*")):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(how)
        process.wait(20)
    assert carried.lacks()
    left = {path.name for path in paths.cache().iterdir()} - {"lock"}
    assert len(left) == (how is signal.SIGKILL)
    assert taking(archive).wait(20) == 0
    assert taken() == tree(tmp_path / "first/cahier-kubernetes")


def test_two_at_once(archive: Path, tmp_path: Path) -> None:
    both = [taking(archive), taking(archive)]
    assert [process.wait(30) for process in both] == [0, 0]
    assert (
        tree(paths.cache()).keys() - {"lock"} == tree(tmp_path / "first/cahier-kubernetes").keys()
    )


def test_writing_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(*_NEEDED)

    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(carried, "_write", interrupted)
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist/.taking-1").touch()  # of one that was killed
    with pytest.raises(KeyboardInterrupt):
        carried.write(tmp_path / "dist")
    assert list((tmp_path / "dist").iterdir()) == []


def test_the_lock_is_not_a_part(archive: Path) -> None:
    with linux.lock(paths.cache() / "lock"):
        carried.take(archive)
    assert not [path for path in paths.cache().iterdir() if path.name.startswith(".")]
