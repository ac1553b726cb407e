"""Starting and ending dockerd in namespaces of its own.

What is outside of them while it runs: its state folder, one end of a link with
an address, one name in each cgroup hierarchy. `daemon/first-process.sh` does
the inside; when that first process ends, the kernel ends all the rest.
"""

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from engine import docker, linux, packages, paths, processes
from engine.problems import EngineProblem

_FIRST_PROCESS = paths.SOURCES / "daemon" / "first-process.sh"
_CGROUPS = Path("/sys/fs/cgroup")
_PATIENCE = 60.0
_GIBIBYTE = 1024**3
_SOCKET_PATH_BYTES = 107
_WATCHERS_NEEDED = 60
_WATCHERS_THAT_SUFFICE = 512


def is_up() -> bool:
    """Whether its first process runs and dockerd answers."""
    return _first_process() is not None and docker.answers()


def start(runc_wrapper: Path) -> None:
    """Starts the engine; what an earlier one left goes first, its images stay."""
    _require_short_path()
    end()
    require_working_kernel()
    try:
        _launch(runc_wrapper)
    except EngineProblem:
        # perhaps it is what a crash left that it stumbles over: once more, afresh
        end()
        shutil.rmtree(paths.state() / "data", ignore_errors=True)
        _launch_or_leave_nothing(runc_wrapper)
    except BaseException:
        end()
        raise


def _launch_or_leave_nothing(runc_wrapper: Path) -> None:
    try:
        _launch(runc_wrapper)
    except BaseException:
        end()
        raise


def _launch(runc_wrapper: Path) -> None:
    state, network = paths.state(), paths.network()
    for folder in ("data", "client"):
        (state / folder).mkdir(parents=True, exist_ok=True)
    (state / "daemon.json").write_text("{}\n")  # instead of /etc/docker/daemon.json
    # a copy: a newer build of the programs must not take it from under dockerd
    shutil.copy2(runc_wrapper, state / "runc-nores")
    log = paths.logs() / "engine.log"
    log.unlink(missing_ok=True)
    processes.run(
        [
            *("setsid", "--fork", "unshare", "--mount", "--pid", "--ipc", "--uts", "--net"),
            *("--fork", "--kill-child", "--propagation", "slave", _FIRST_PROCESS),
        ],
        log="engine",
        purpose="Le démarrage du moteur de conteneurs",
        environment={
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(state),
            "NAME": network.name,
            "STATE": str(state),
            "TOOLS": str(packages.engine_programs()),
            "ADDRESS": network.engine,
            "BRIDGE": network.bridge,
            "POOL": network.others,
        },
    )
    deadline = time.monotonic() + _PATIENCE
    _connect(_wait_for_first_process(deadline))
    while not docker.answers():
        if _first_process() is None or time.monotonic() > deadline:
            raise processes.failure("Le démarrage du moteur de conteneurs", log)
        time.sleep(0.05)


def _wait_for_first_process(deadline: float) -> int:
    while time.monotonic() < deadline:
        pid = _first_process()
        if pid is not None:
            return pid
        time.sleep(0.02)
    raise processes.failure("Le démarrage du moteur de conteneurs", paths.logs() / "engine.log")


def _connect(pid: int) -> None:
    """The link between the machine and the engine, one end moved to each."""
    network = paths.network()
    outer, inner = f"{network.name}-h", f"{network.name}-n"
    for words in (
        f"link add {outer} type veth peer name {inner} netns {pid}",
        f"addr add {network.host}/30 dev {outer}",
        f"link set {outer} up",
    ):
        processes.run(
            ["ip", *words.split()],
            log="network",
            purpose="La création du lien réseau du moteur",
            remedy=f"Vérifiez que {network.host}/30 ne sert pas déjà sur cette machine (`ip "
            "addr`), puis recommencez.",
        )


def _first_process() -> int | None:
    """The running first process, as it wrote itself down: a number that has
    passed to another process does not count."""
    try:
        written = (paths.state() / "first-process").read_text()
        now = Path("/proc", written.split()[0], "stat").read_text()
    except (OSError, IndexError):
        return None
    if _start_time(now) != _start_time(written) or _status(now) in ("Z", "X"):
        return None
    return int(written.split()[0])


def _after_name(stat: str) -> list[str]:
    return stat.rpartition(")")[2].split()


def _start_time(stat: str) -> str:
    return "".join(_after_name(stat)[19:20])


def _status(stat: str) -> str:
    return "".join(_after_name(stat)[0:1])


# ---------------------------------------------------------------- ending it


def stop() -> None:
    """Ends everything and removes all state but the logs and the images.

    An engine that answers first removes its own containers and networks, so
    that its images are worth keeping; what another one left is thrown away.
    """
    kept = is_up() and _remove_containers()
    end()
    state = paths.state()
    for name in ("registry", "client", "runc-nores", "daemon.json"):
        _remove(state / name)
    if not kept:
        _remove(state / "data")


def _remove_containers() -> bool:
    return (
        _remove_all(["ps", "--all", "--quiet"], ["rm", "--force", "--volumes"])
        and _remove_all(["volume", "ls", "--quiet"], ["volume", "rm", "--force"])
        and docker.ask("network", "prune", "--force") is not None
    )


def _remove_all(listing: list[str], removal: list[str]) -> bool:
    found = docker.ask(*listing)
    if not found:
        return found is not None
    return docker.ask(*removal, *found.split(), timeout=60) is not None


def end() -> None:
    """Ends all processes and frees what the kernel holds. Safe at any time."""
    if not paths.state().exists() and not list(_groups()):
        return
    first = _first_process()
    if first is not None:
        linux.kill(first)
    _until(lambda: not _kill_members())
    outer = f"{paths.network().name}-h"
    if Path("/sys/class/net", outer).exists():
        processes.output(["ip", "link", "delete", outer])
    _until(_remove_groups)
    for name in ("first-process", "docker.pid", "docker.sock", "etc", "etc.work"):
        _remove(paths.state() / name)


def _until(done: Callable[[], bool]) -> None:
    for _ in range(100):
        if done():
            return
        time.sleep(0.05)


def _groups() -> Iterator[Path]:
    """Our cgroups, in every hierarchy, the deepest first."""
    name = paths.network().name
    for top in (*_CGROUPS.glob(f"*/{name}"), _CGROUPS / name):
        if top.is_dir() and not top.parent.is_symlink():
            for folder, _, _ in os.walk(top, topdown=False):
                yield Path(folder)


def _kill_members() -> bool:
    """Kills whoever is in our cgroups; true while there is somebody."""
    members = set()
    for group in _groups():
        with contextlib.suppress(OSError):
            members |= {int(pid) for pid in (group / "cgroup.procs").read_text().split()}
    for pid in members - {0, os.getpid()}:
        linux.kill(pid)
    return bool(members)


def _remove_groups() -> bool:
    for group in _groups():
        with contextlib.suppress(OSError):
            group.rmdir()
    return not any(_groups())


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


# ---------------------------------------------------------------- what it needs


def require_room(wanted_gibibytes: int) -> None:
    """Refuses to begin what a full disk would cut short."""
    for folder in (paths.cache(), paths.state()):
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free / _GIBIBYTE
        if free < wanted_gibibytes:
            raise EngineProblem(
                f"Il reste {free:.1f} Gio sur le disque de {folder} ; il en faut "
                f"{wanted_gibibytes} pour le moteur privé et ses images.",
                f"Libérez de la place (`df -h {folder}` la montre), ou désignez un autre disque "
                "avec XDG_CACHE_HOME et XDG_STATE_HOME, puis recommencez.",
            )


def _require_watches() -> None:
    """Each node takes some fifteen of the file watchers that one user may have.

    The default, 128, is soon reached where other clusters run beside this one;
    kubelet and kube-proxy then end at random. The limit is the machine's: it
    is not ours to raise.
    """
    limit = int(Path("/proc/sys/fs/inotify/max_user_instances").read_text())
    if limit >= _WATCHERS_THAT_SUFFICE:
        return
    taken = linux.count_open("anon_inode:inotify")
    if limit - taken < _WATCHERS_NEEDED:
        raise EngineProblem(
            f"Ce noyau n'accorde que {limit} instances d'inotify à un utilisateur, et {taken} "
            f"sont prises ; un cluster en demande jusqu'à {_WATCHERS_NEEDED}.",
            "Arrêtez l'autre cluster qui tourne sur cette machine, ou relevez la limite, puis "
            "recommencez :\n  sysctl fs.inotify.max_user_instances=512",
        )


def _require_short_path() -> None:
    """A Unix socket's path has 107 bytes at most: sun_path of unix(7)."""
    path = docker.socket_path()
    if len(os.fsencode(path)) > _SOCKET_PATH_BYTES:
        raise EngineProblem(
            f"Le chemin {path} est trop long pour une socket Unix ({_SOCKET_PATH_BYTES} octets au "
            "plus).",
            "Désignez un dossier au chemin plus court avec XDG_STATE_HOME, puis recommencez.",
        )


def require_working_kernel() -> None:
    """Asks the kernel for what dockerd will ask, where a refusal can be explained."""
    if not (_CGROUPS / "cgroup.controllers").exists() and not list(_CGROUPS.glob("*/cgroup.procs")):
        raise EngineProblem(
            "Aucune hiérarchie de cgroups n'est montée dans /sys/fs/cgroup : les conteneurs en ont "
            "besoin.",
            "Sur une machine ordinaire, c'est systemd qui les monte ; dans un conteneur, "
            "lancez-le avec `--privileged`.",
        )
    _require_watches()
    trial = paths.state() / "trial"
    for part in ("lower", "upper", "work", "merged"):
        (trial / part).mkdir(parents=True, exist_ok=True)
    layers = f"lowerdir={trial}/lower,upperdir={trial}/upper,workdir={trial}/work"
    command = ["unshare", "--mount", "--net", "--pid", "--ipc", "--uts", "--fork"]
    mounted = processes.output(
        [*command, "mount", "-t", "overlay", "-o", layers, "overlay", trial / "merged"]
    )
    _remove(trial)
    if mounted is None:
        raise EngineProblem(
            "Ce noyau refuse un montage overlay ou des espaces de noms à part : le moteur privé "
            "ne peut pas isoler ses conteneurs.",
            "Placez l'état sur un disque ordinaire (ext4, xfs) avec XDG_STATE_HOME ; dans un "
            "conteneur, lancez celui-ci avec `--privileged`, ou installez Docker sur la machine.",
        )
