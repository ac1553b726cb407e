"""What the engine is made of, in one archive that another machine of the same kind starts from.

An archive begins with a manifest: which parts it holds, each under the key of what it was made
from, and every file with its fingerprint. Nothing of it is used before all of it has been compared.
"""

import contextlib
import hashlib
import io
import json
import os
import shlex
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Self

from engine import (
    build,
    cache,
    daemon,
    lab_images,
    mongodb_image,
    node_image,
    operator_images,
    packages,
    paths,
    processes,
)
from engine.problems import EngineProblem

OPERATOR_MANIFESTS = "operator-manifests"
_FORMAT = 1
_MANIFEST = "manifeste.json"
_LARGEST_MANIFEST = 16 * 2**20
_UNFINISHED = ".taking-"
_CHUNK = 2**20
_GIBIBYTE = 2**30
_BYTES_PER_SECOND = 30e6  # packed, read by a slow machine


class _UnusableError(Exception):
    """Why an archive is not taken, in French."""


@dataclass(frozen=True)
class _Entry:
    """A file, a link or a folder of the cache."""

    path: str
    kind: str
    """`file`, `program`, `link` or `folder`."""
    size: int = 0
    digest: str = ""
    """Of a file's content; where a link leads."""


@dataclass(frozen=True)
class _Manifest:
    architecture: str
    parts: Mapping[str, str]
    entries: Sequence[_Entry]

    def text(self) -> bytes:
        """The same parts give the same bytes."""
        return json.dumps({"format": _FORMAT, **asdict(self)}, sort_keys=True, indent=1).encode()

    @classmethod
    def read(cls, text: bytes) -> Self:
        """Refuses what another program, or another version of this one, has written."""
        try:
            read = json.loads(text)
            if read["format"] != _FORMAT:
                raise _UnusableError("une autre version du cahier l’a écrite")
            entries = [_Entry(**one) for one in read["entries"]]
            found = cls(str(read["architecture"]), dict(read["parts"]), entries)
            found._require_harmless()
        except (ValueError, KeyError, TypeError, AttributeError):
            raise _UnusableError("son manifeste est illisible") from None
        return found

    def _require_harmless(self) -> None:
        """Every entry is inside one of the parts, below no link, and no link leaves its part."""
        tops = {f"{kind}/{name}" for kind, name in self.parts.items()}
        links = {one.path for one in self.entries if one.kind == "link"}
        seen: set[str] = set()
        for one in self.entries:
            path = PurePosixPath(one.path)
            top = "/".join(path.parts[:2])
            above = {str(parent) for parent in path.parents}
            inside = str(path) == one.path and ".." not in path.parts and top in tops
            if one.kind == "link":
                target = os.path.normpath(path.parent / one.digest)
                inside = inside and one.path != top and f"{target}/".startswith(f"{top}/")
            if not inside or above & links or one.path in seen or "\0" in one.path + one.digest:
                raise _UnusableError(f"« {one.path} » n’y a rien à faire")
            seen.add(one.path)

    def of(self, kinds: Iterable[str]) -> set[str]:
        """The folders of those parts."""
        return {f"{kind}/{self.parts[kind]}" for kind in kinds}


def _needed() -> dict[str, str]:
    """Without these nothing starts: kind of each part, and its key."""
    found = {
        "engine-programs": packages.engine_programs_key(),
        "programs": build.key(),
        "node-image": node_image.key(),
        "lab-images": lab_images.key(),
    }
    if paths.kubernetes() != paths.KUBERNETES:
        found["kubernetes"] = build.kubernetes_key()
    return found


def _all() -> dict[str, str]:
    """With what is made only once it is asked for."""
    operator = operator_images.key()
    return _needed() | {
        "operator": operator,
        OPERATOR_MANIFESTS: operator,
        "mongodb": mongodb_image.key(),
    }


def _has(kind: str, name: str) -> bool:
    return cache.place(kind, name).is_dir()


def key() -> str:
    """Of all that the engine needs to start: an archive's name bears it."""
    return cache.key(*(f"{kind} {name}" for kind, name in _needed().items()))


def name() -> str:
    """What the archive for this machine, and for these sources, is called."""
    return f"cahier-moteur-{paths.kubernetes()}-{key()}-{packages.architecture()}.tar.zst"


def found() -> Path | None:
    """The archive to start from: `CAHIER_CACHE`, or the one in a folder of that name, or the one in
    `dist/`."""
    given = os.environ.get("CAHIER_CACHE")
    place = Path(given) if given else paths.SOURCES.parent / "dist"
    if place.is_dir():
        place /= name()
        return place if place.is_file() else None
    if given and not place.is_file():
        raise EngineProblem(
            f"CAHIER_CACHE désigne {place}, où il n’y a ni archive ni dossier.",
            "Faites sans archive (`unset CAHIER_CACHE`), ou désignez celle de `make cache`.",
        )
    return place if given else None


def lacks(*kinds: str) -> bool:
    """Whether one of these kinds of parts is not there yet; by default, of those needed."""
    known = _all()
    return any(not _has(kind, known[kind]) for kind in kinds or _needed())


def estimate_seconds(archive: Path) -> float:
    """How long it takes to take an archive."""
    return 2 + archive.stat().st_size / _BYTES_PER_SECOND


# -- writing ---------------------------------------------------------------------------------------


def write(folder: Path, tell: processes.Tell = lambda said: None) -> Path:
    """One archive, with all parts that are there; the same parts give the same bytes. Those that
    the engine needs have been made before; one process at a time."""
    parts = {kind: name for kind, name in _all().items() if _has(kind, name)}
    assert _needed().items() <= parts.items()
    folder.mkdir(parents=True, exist_ok=True)
    for unfinished in folder.glob(f"{_UNFINISHED}*"):
        unfinished.unlink()
    target = folder / name()
    tell("empreintes")
    manifest = _Manifest(packages.architecture(), parts, list(_entries(parts)))
    new = folder / f"{_UNFINISHED}{os.getpid()}"
    try:
        with new.open("wb") as output, _packing(output) as packed:
            _write(packed, manifest, tell)
        new.replace(target)
    finally:
        new.unlink(missing_ok=True)
    return target


def _entries(parts: Mapping[str, str]) -> Iterator[_Entry]:
    for kind, name in sorted(parts.items()):
        top = cache.place(kind, name)
        for path in [top, *sorted(top.rglob("*"))]:
            inside = path.relative_to(paths.cache()).as_posix()
            if path.is_symlink():
                yield _Entry(inside, "link", digest=str(path.readlink()))
            elif path.is_dir():
                yield _Entry(inside, "folder")
            else:
                with path.open("rb") as file:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
                state = path.stat()
                kind_of_file = "program" if state.st_mode & 0o100 else "file"
                yield _Entry(inside, kind_of_file, state.st_size, digest)


@contextlib.contextmanager
def _packing(output: IO[bytes]) -> Iterator[IO[bytes]]:
    packer = subprocess.Popen(
        ["zstd", "-q", "-3", "-T0", "-c"], stdin=subprocess.PIPE, stdout=output
    )
    assert packer.stdin is not None
    try:
        yield packer.stdin
        packer.stdin.close()
    except BaseException:
        packer.kill()
        with contextlib.suppress(OSError):
            packer.stdin.close()
        packer.wait()
        raise
    if packer.wait() != 0:
        raise _cannot_write()


def _cannot_write() -> EngineProblem:
    return EngineProblem(
        "L’archive n’a pas pu être écrite.",
        "Vérifiez qu’il reste de la place sur le disque (`df -h`), puis recommencez.",
    )


def _write(packed: IO[bytes], manifest: _Manifest, tell: processes.Tell) -> None:
    progress = _Progress(manifest.entries, tell)
    try:
        with tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as tar:
            text = manifest.text()
            member = tarfile.TarInfo(_MANIFEST)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text))
            for one in manifest.entries:
                member = _member(one)
                if not member.isreg():
                    tar.addfile(member)
                    continue
                with (paths.cache() / one.path).open("rb") as file:
                    tar.addfile(member, file)
                progress.add(one.size)
    except BrokenPipeError:
        raise _cannot_write() from None


def _member(one: _Entry) -> tarfile.TarInfo:
    member = tarfile.TarInfo(one.path)
    member.mode = 0o644 if one.kind in ("file", "link") else 0o755
    match one.kind:
        case "link":
            member.type, member.linkname = tarfile.SYMTYPE, one.digest
        case "folder":
            member.type = tarfile.DIRTYPE
        case _:
            member.size = one.size
    return member


class _Progress:
    """Tells how many megabytes are done."""

    def __init__(self, entries: Iterable[_Entry], tell: processes.Tell) -> None:
        self._all = sum(one.size for one in entries)
        self._done = 0
        self._tell = tell

    def add(self, size: int) -> None:
        self._done += size
        self._tell(f"{self._done / 1e6:.0f} Mo sur {self._all / 1e6:.0f}")


# -- taking ----------------------------------------------------------------------------------------


def discard_unfinished() -> None:
    """What a process that was killed has left; one process at a time."""
    for unfinished in paths.cache().glob(f"{_UNFINISHED}*"):
        shutil.rmtree(unfinished, ignore_errors=True)


def take(archive: Path, tell: processes.Tell = lambda said: None) -> None:
    """Puts the parts that are not there where they would have been made; one process at a time. An
    archive that cannot be trusted in full is told, and nothing of it is taken."""
    try:
        with _unpacked(archive) as tar:
            _take(tar, tell)
    except _UnusableError as unusable:
        raise _refused(archive, str(unusable)) from None
    except (tarfile.TarError, EOFError, ValueError):
        raise _refused(archive, "elle est coupée, ou abîmée") from None


def _refused(archive: Path, reason: str) -> EngineProblem:
    given = os.environ.get("CAHIER_CACHE")
    without = "unset CAHIER_CACHE" if given else f"rm {shlex.quote(str(archive))}"
    return EngineProblem(
        f"L’archive {archive} ne peut pas servir ici : {reason}. Rien n’en a été pris.",
        f"Faites sans elle (`{without}`), puis recommencez : ce qu’elle apportait sera fabriqué. "
        "`make cache` en écrit une autre, sur une machine de la même sorte et au même commit.",
    )


@contextlib.contextmanager
def _unpacked(archive: Path) -> Iterator[tarfile.TarFile]:
    with archive.open("rb") as file:
        unpacker = subprocess.Popen(
            ["zstd", "-dqc"], stdin=file, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert unpacker.stdout is not None
        try:
            with tarfile.open(fileobj=unpacker.stdout, mode="r|") as tar:
                yield tar
        finally:
            unpacker.kill()
            unpacker.stdout.close()
            unpacker.wait()


def _take(tar: tarfile.TarFile, tell: processes.Tell) -> None:
    manifest = _read_manifest(tar)
    if manifest.architecture != packages.architecture():
        raise _UnusableError(
            f"elle est faite pour un processeur {manifest.architecture}, celui de cette machine "
            f"est {packages.architecture()}"
        )
    if not _needed().items() <= manifest.parts.items():
        raise _UnusableError(
            "elle a été faite d’autres sources que cette copie du dépôt, ou sur une machine d’une "
            "autre version de Debian"
        )
    known = _all()
    wanted = [
        kind
        for kind, name in manifest.parts.items()
        if known.get(kind) == name and not _has(kind, name)
    ]
    if not wanted:
        return
    size = sum(one.size for one in manifest.entries)
    daemon.require_room(1 + size // _GIBIBYTE)
    new = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=paths.cache()))
    try:
        _unpack(tar, manifest, new, manifest.of(wanted), tell)
        for kind in wanted:
            place = cache.place(kind, known[kind])
            place.parent.mkdir(exist_ok=True)
            (new / kind / known[kind]).rename(place)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _read_manifest(tar: tarfile.TarFile) -> _Manifest:
    member = tar.next()
    if member is None or member.name != _MANIFEST or not member.isreg():
        raise _UnusableError("`make cache` ne l’a pas écrite")
    if member.size > _LARGEST_MANIFEST:
        raise _UnusableError("son manifeste est illisible")
    content = tar.extractfile(member)
    assert content is not None, "it is a file"
    return _Manifest.read(content.read())


def _unpack(
    tar: tarfile.TarFile,
    manifest: _Manifest,
    new: Path,
    wanted: set[str],
    tell: processes.Tell,
) -> None:
    """Compares every member to what the manifest says of it, and writes those that are wanted:
    with our own modes and owner, whatever the archive asks for."""
    progress = _Progress(manifest.entries, tell)
    for one in manifest.entries:
        member = tar.next()
        asked = _member(one)
        if member is None:
            raise tarfile.ReadError
        if (member.name, member.type, member.linkname, member.size) != (
            *(asked.name, asked.type, asked.linkname, asked.size),
        ):
            raise _UnusableError(f"« {member.name} » n’est pas ce que dit son manifeste")
        target = new / one.path if "/".join(one.path.split("/")[:2]) in wanted else None
        if target is not None:
            target.parent.mkdir(parents=True, exist_ok=True)
        if asked.isdir():
            if target is not None:
                target.mkdir(exist_ok=True)
        elif asked.issym():
            if target is not None:
                target.symlink_to(one.digest)
        else:
            _copy(tar, member, target, one)
            progress.add(one.size)
    if tar.next() is not None:
        raise _UnusableError("elle contient autre chose que ce que dit son manifeste")


def _copy(tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path | None, one: _Entry) -> None:
    content = tar.extractfile(member)
    assert content is not None, "it is a file"
    digest = hashlib.sha256()
    with contextlib.ExitStack() as stack:
        output = None if target is None else stack.enter_context(target.open("xb"))
        while piece := content.read(_CHUNK):
            digest.update(piece)
            if output is not None:
                output.write(piece)
    if digest.hexdigest() != one.digest:
        raise _UnusableError(f"« {one.path} » n’est pas ce que dit son manifeste")
    if target is not None:
        target.chmod(_member(one).mode)
