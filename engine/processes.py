"""Running other programs: their output goes to a log, their failure becomes a sentence."""

import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from engine import linux, paths
from engine.problems import EngineProblem

Command = Sequence[str | Path]
Tell = Callable[[str], None]

CONTAINED = (
    *("setpriv", "--pdeathsig", "SIGKILL"),
    *("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"),
    *("--propagation", "private"),
)
"""Before a command: it, all that it starts and all that it mounts end with us,
even if we are killed."""

_LOOKS = 1.0  # seconds between two looks at what a program says
_PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy")


def without_proxies(environment: Mapping[str, str]) -> dict[str, str]:
    """kind would hand proxies on to the nodes, which have nowhere to reach them."""
    return {name: value for name, value in environment.items() if name.lower() not in _PROXIES}


def run(
    command: Command,
    *,
    log: str,
    purpose: str,
    remedy: str = "",
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    watch: Tell | None = None,
) -> None:
    """Runs a program to its end. `purpose` completes « n'a pas abouti » in French; `watch` is
    called now and then with all that the program has said."""
    record = paths.logs() / f"{log}.log"
    record.parent.mkdir(parents=True, exist_ok=True)
    with record.open("ab") as output:
        words = [str(word) for word in command]
        output.write(f"\n# {time.strftime('%Y-%m-%d %H:%M:%S')} {' '.join(words)}\n".encode())
        output.flush()
        start = output.tell()
        try:
            process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=folder,
                start_new_session=True,
            )
        except FileNotFoundError as missing:
            raise EngineProblem(
                f"{purpose} n'a pas abouti : le programme {missing.filename} est introuvable.",
                remedy or "Installez-le, puis recommencez.",
            ) from None
        try:
            code = _end(process, record, start, watch)
        except BaseException:
            linux.kill_group(process)
            process.wait()
            raise
    if code != 0:
        raise failure(purpose, record, start, remedy)


def _end(process: subprocess.Popen[bytes], record: Path, start: int, watch: Tell | None) -> int:
    """Waits for the exit code; what is written from the byte `start` on is shown to `watch`."""
    while watch is not None:
        try:
            return process.wait(_LOOKS)
        except subprocess.TimeoutExpired:
            with record.open("rb") as file:
                file.seek(start)
                watch(file.read().decode(errors="replace"))
    return process.wait()


def failure(purpose: str, record: Path, start: int = 0, remedy: str = "") -> EngineProblem:
    """The last lines of a log, from the byte `start` on, as a problem to show."""
    try:
        with record.open("rb") as file:
            file.seek(start)
            text = file.read().decode(errors="replace")
    except OSError:
        text = ""
    shown = "\n".join(f"  {line}" for line in text.strip().splitlines()[-12:])
    if "No space left on device" in text:
        remedy = "Le disque est plein : libérez de la place (`df -h` la montre), puis recommencez."
    return EngineProblem(
        f"{purpose} n'a pas abouti. Dernières lignes du journal :\n{shown}",
        f"{remedy or 'Recommencez ; si cela persiste, le journal complet dit pourquoi.'}\nJournal "
        f"complet : {record}",
    )


def output(
    command: Command,
    *,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    timeout: float = 30,
) -> str | None:
    """What a short program prints, or None where it fails, hangs or does not exist."""
    try:
        done = subprocess.run(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            cwd=folder,
            timeout=timeout,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None
