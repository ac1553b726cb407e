"""The commands around a lab, as a learner types them: output, exit code, files left."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from checks import state
from checks.cli import application
from checks.lab import Lab, all_labs, find_lab
from checks.site.command_reference import reference
from checks.stage import Person, Stage
from tests.support.typed import typed

CLUSTER = state.folder() / "cluster"
"""Where the local cluster is, whatever state folder a test has of its own."""
COMMANDS = (
    *("lister", "commencer", "enonce", "verifier", "indice", "solution", "rattraper", "nettoyer"),
    *("diagnostiquer", "catalogue", "cluster"),
)


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Progress and hints of the test's own; where the cluster is stays as it is."""
    folder = tmp_path / "etat"
    monkeypatch.setenv("CAHIER_ETAT", str(folder))
    return folder


def cahier(
    *arguments: str, who: Person | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """`cahier` typed by a person; by nobody, who has no cluster, in this very process."""
    if who is None:
        here = {**os.environ, "COLUMNS": "80"}
        done = typed(arguments, os.devnull + "/none", environment=here, folder=cwd)
        return subprocess.CompletedProcess(arguments, done.code, done.said, done.complained)
    return subprocess.run(
        ["cahier", *arguments],
        env={**who.environment, "CAHIER_ETAT": os.environ["CAHIER_ETAT"], "COLUMNS": "80"},
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("command", [*COMMANDS, "demo"])
def test_each_command_explains_itself_in_french(command: str) -> None:
    done = cahier(command, "--help")
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout
    assert max(len(line) for line in done.stdout.splitlines()) <= 80


def test_no_help_page_shows_the_parser_s_own_types() -> None:
    assert re.findall(r"<\w+>|\b(?:TEXT|INTEGER|BOOLEAN|PATH)\b", reference()) == []


def test_help_names_every_command() -> None:
    done = cahier("--help")
    for command in (*COMMANDS, "demo"):
        assert command in done.stdout


def test_list_shows_every_lab_without_any_cluster() -> None:
    done = cahier("lister")
    assert done.returncode == 0, done.stderr
    for lab in all_labs():
        assert lab.short_name in done.stdout


def test_alone_it_says_where_one_is_and_the_next_step() -> None:
    done = cahier()
    assert done.returncode == 0, done.stderr
    assert "Étape suivante" in done.stdout
    assert "cahier commencer tp1" in done.stdout


def test_begin_copies_the_starter_and_never_overwrites(tmp_path: Path) -> None:
    assert cahier("commencer", "tp5", cwd=tmp_path).returncode == 0
    copy = tmp_path / "tp5_proxy_socat" / "proxy.yaml"
    assert copy.read_text(encoding="utf-8") == find_lab("tp5").files("depart")["proxy.yaml"]
    copy.write_text("# mon travail\n", encoding="utf-8")
    refused = cahier("commencer", "tp5", cwd=tmp_path)
    assert refused.returncode == 2
    assert "--ecraser" in refused.stderr
    assert copy.read_text(encoding="utf-8") == "# mon travail\n"
    assert cahier("commencer", "tp5", "--ecraser", cwd=tmp_path).returncode == 0
    assert copy.read_text(encoding="utf-8") != "# mon travail\n"


def test_begin_inside_its_own_folder_makes_no_other_in_it(tmp_path: Path) -> None:
    own = tmp_path / "tp5_proxy_socat"
    own.mkdir()
    assert cahier("commencer", "tp5", cwd=own).returncode == 0
    assert sorted(path.name for path in own.iterdir()) == [".vscode", "proxy.yaml"]


@pytest.mark.parametrize("lab", all_labs(), ids=lambda lab: lab.short_name)
def test_the_page_is_read_in_a_terminal(lab: Lab) -> None:
    done = cahier("enonce", lab.short_name, "--namespace", "user-zoe", "--collegue", "user-paul")
    assert done.returncode == 0, done.stderr
    assert f"cahier verifier {lab.short_name}" in done.stdout
    assert not re.search(
        r"^(#|```|!!!|;?--8<--)|\*\*|]\(|exec=|<!--", _prose(done.stdout), re.MULTILINE
    )
    assert "user-alice" not in done.stdout


def _prose(shown: str) -> str:
    return "\n".join(line for line in shown.splitlines() if not line.startswith("  "))


def test_begin_names_no_raw_markdown(tmp_path: Path) -> None:
    done = cahier("commencer", "tp1", cwd=tmp_path)
    assert ".md" not in done.stdout
    assert "cahier enonce tp1" in done.stdout


def test_solution_carries_the_learners_own_names() -> None:
    done = cahier(
        "solution", "tp5", "--namespace", "user-zoe", "--collegue", "user-paul", "--base", "ma-base"
    )
    assert done.returncode == 0, done.stderr
    assert "ma-base-rw.user-paul.svc.cluster.local" in done.stdout
    assert "user-alice" not in done.stdout


@pytest.mark.cluster
def test_hints_grow_and_follow_the_state(new_person: Callable[..., Person]) -> None:
    learner, colleague = new_person(), new_person("c")
    said = [
        cahier("indice", "tp5", "--collegue", colleague.namespace, who=learner).stdout
        for _ in range(4)
    ]
    assert "Indice 1/3" in said[0]
    assert "Indice 2/3" in said[1]
    assert "Indice 3/3" in said[2]
    assert "--aide" in said[3]
    subprocess.run(
        ["kubectl", "run", "pg-proxy", "--image=alpine/socat:inconnu"],
        env=dict(learner.environment),
        check=True,
    )
    assert f"cahier verifier tp5 --collegue {colleague.namespace} --aide" in said[3].replace(
        "\n", " "
    )
    now = cahier("indice", "tp5", "--collegue", colleague.namespace, who=learner).stdout
    assert "Indice 1/" in now
    assert now.splitlines()[0] != said[0].splitlines()[0]


@pytest.mark.parametrize(
    ("lab", "words"),
    [
        ("tp5", "Le TP 5 se fait avec un seul collègue : user-bob, le premier donné"),
        ("tp6", "Cette commande ne nomme qu’un collègue : user-bob, le premier donné."),
    ],
)
@pytest.mark.parametrize("command", ["solution", "enonce"])
def test_what_names_one_colleague_says_which_of_several(lab: str, words: str, command: str) -> None:
    done = cahier(command, lab, "--collegue", "user-bob", "--collegue", "user-chloe")
    assert words in " ".join(done.stderr.split())
    assert "user-chloe" not in done.stdout.replace("--collegue user-chloe", "")
    assert "bob" in done.stdout


@pytest.mark.cluster
def test_the_colleague_and_the_port_need_not_be_typed_again(
    new_person: Callable[..., Person], free_port: int
) -> None:
    learner, colleague, other = new_person(), new_person("c"), new_person("d")
    given = ("--collegue", colleague.namespace, "--port", str(free_port))
    first = cahier("verifier", "tp5", *given, who=learner)
    assert first.stderr == ""
    again = cahier("verifier", "tp5", who=learner)
    assert f"Comme la dernière fois : {' '.join(given)}" in again.stderr
    assert f"un tunnel écoute sur localhost:{free_port}." in again.stdout, (
        "the sentence says the port that is judged"
    )
    assert f"votre poste, localhost:{free_port}" in again.stdout
    assert colleague.namespace in cahier("verifier", "tp7", who=learner).stderr, (
        "another lab of the same pair"
    )
    changed = cahier("verifier", "tp5", "--collegue", other.namespace, who=learner)
    assert other.namespace in changed.stdout
    assert other.namespace in cahier("verifier", "tp5", who=learner).stderr


@pytest.mark.cluster
@pytest.mark.parametrize(
    ("given", "meant"), [("{name}", "user-{name}"), ("user-{name}x", "user-{name}")]
)
def test_a_colleague_who_is_nobody_is_told_with_a_guess(
    new_person: Callable[..., Person], own_state: Path, given: str, meant: str
) -> None:
    own_state.mkdir()
    (own_state / "cluster").symlink_to(CLUSTER)
    learner, colleague = new_person(), new_person("c")
    name = colleague.namespace.removeprefix("user-")
    for command in ("verifier", "indice"):
        done = cahier(command, "tp5", "--collegue", given.format(name=name), who=learner)
        assert done.returncode == 2
        assert "n’existe pas sur ce cluster" in done.stderr
        assert f"--collegue {meant.format(name=name)} ?" in done.stderr


@pytest.mark.cluster
def test_help_begins_with_the_files(new_person: Callable[..., Person], tmp_path: Path) -> None:
    learner = new_person()
    assert "cahier commencer tp2" in cahier("verifier", "tp2", who=learner, cwd=tmp_path).stdout
    assert cahier("commencer", "tp2", who=learner, cwd=tmp_path).returncode == 0
    folder = tmp_path / "tp2_port_forward"
    elsewhere = cahier("verifier", "tp2", who=learner, cwd=tmp_path.parent).stdout
    assert "mon-api.yaml, ligne 23 : il reste à écrire" in " ".join(elsewhere.split()), (
        "where they were copied"
    )
    manifest = folder / "mon-api.yaml"
    manifest.write_text(find_lab("tp2").files("solution")["mon-api.yaml"], encoding="utf-8")
    environment = dict(learner.environment)
    subprocess.run(["kubectl", "apply", "-f", str(manifest)], env=environment, check=True)
    forgotten = cahier("verifier", "tp2", "--delai", "0s", who=learner, cwd=folder).stdout
    assert f"kubectl apply -n {learner.namespace} -f code.yaml" in forgotten
    assert "-f mon-api.yaml" not in forgotten.partition("À faire d’abord")[2]
    manifest.write_text(
        manifest.read_text(encoding="utf-8").replace("/sante", "/autre"), encoding="utf-8"
    )
    edited = cahier("verifier", "tp2", "--delai", "0s", who=learner, cwd=folder).stdout
    assert "mon-api.yaml a changé depuis que vous l’avez appliqué" in edited


@pytest.mark.cluster
def test_the_solution_applied_is_what_the_learner_s_files_say(
    new_person: Callable[..., Person], tmp_path: Path
) -> None:
    learner, colleague = new_person(), new_person("c")
    assert cahier("commencer", "tp5", who=learner, cwd=tmp_path).returncode == 0
    own = tmp_path / "tp5_proxy_socat" / "proxy.yaml"
    started = own.read_text(encoding="utf-8")
    subprocess.run(["kubectl", "apply", "-f", str(own)], env=dict(learner.environment), check=True)
    given = ("--collegue", colleague.namespace, "--base", "ma-base")
    elsewhere = tmp_path / "ailleurs"
    elsewhere.mkdir()
    done = cahier("solution", "tp5", *given, "--appliquer", who=learner, cwd=elsewhere)
    assert done.returncode == 0, done.stderr
    assert "proxy.yaml.avant" in done.stdout, "they are told where their own text is"
    assert f"ma-base-rw.{colleague.namespace}.svc" in own.read_text(encoding="utf-8")
    assert own.with_name("proxy.yaml.avant").read_text(encoding="utf-8") == started
    unchanged = subprocess.run(
        ["kubectl", "diff", "-f", str(own)], env=dict(learner.environment), check=False
    )
    assert unchanged.returncode == 0, "applied again, it would change something"
    own.write_text("# mon second essai\n", encoding="utf-8")
    assert (
        cahier("solution", "tp5", *given, "--appliquer", who=learner, cwd=elsewhere).returncode == 0
    )
    assert own.with_name("proxy.yaml.avant-2").read_text(encoding="utf-8") == "# mon second essai\n"
    assert own.with_name("proxy.yaml.avant").read_text(encoding="utf-8") == started
    assert list(elsewhere.iterdir()) == []


@pytest.mark.cluster
def test_what_starters_leave_to_be_written_is_told_so(new_person: Callable[..., Person]) -> None:
    learner, colleague = new_person(), new_person("c")
    stage = Stage(find_lab("tp5"), learner, colleague)
    stage.apply(stage.lab.files("depart"))
    stage.run(["kubectl wait --for=condition=Ready pod/pg-proxy --timeout=90s"])
    said = " ".join(
        cahier("verifier", "tp5", "--collegue", colleague.namespace, who=learner).stdout.split()
    )
    assert "« SERVICE.NAMESPACE » est resté comme dans le fichier de départ" in said
    base = (
        f"KUBECONFIG=$(cahier cluster kubeconfig {colleague.namespace.removeprefix('user-')}) "
        "cahier catalogue lancer"
    )
    helped = cahier(
        "verifier", "tp5", "--collegue", colleague.namespace, "--aide", who=learner
    ).stdout
    assert base in helped, (
        "nobody has launched the colleague's base: alone, one does it in their place"
    )


@pytest.mark.cluster
def test_clean_removes_what_the_lab_made_and_nothing_else(
    new_person: Callable[..., Person],
) -> None:
    learner = new_person()
    stage = Stage(find_lab("tp5"), learner, new_person("c"))
    stage.apply(stage.lab.files("solution"))
    environment = dict(learner.environment)
    subprocess.run(["kubectl", "create", "configmap", "la-mienne"], env=environment, check=True)
    for name in ("tunnel-user-chloe", "a-moi"):
        subprocess.run(
            ["kubectl", "create", "rolebinding", name, "--clusterrole=view", "--user=u"],
            env=environment,
            check=True,
        )
    assert "rolebinding/tunnel-user-chloe supprimé" in cahier("nettoyer", "tp8", who=learner).stdout
    done = cahier("nettoyer", "tp5", who=learner)
    assert done.returncode == 0, done.stderr
    assert "pod/pg-proxy" in done.stdout
    left = subprocess.run(
        ["kubectl", "get", "pods,configmaps,rolebindings", "-o", "name"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "rolebinding.rbac.authorization.k8s.io/a-moi" in left.stdout
    assert "pg-proxy" not in left.stdout
    assert "configmap/la-mienne" in left.stdout
    assert "Rien à retirer" in cahier("nettoyer", "tp5", who=learner).stdout


@pytest.mark.cluster
def test_a_late_learner_is_brought_to_the_start_of_a_lab(
    new_person: Callable[..., Person], tmp_path: Path
) -> None:
    learner = new_person()
    done = cahier("rattraper", "tp5", who=learner, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Vous êtes au début de tp5" in done.stdout
    assert "--ouvert" in done.stdout, "what the colleague must have done is told"
    found = subprocess.run(
        ["kubectl", "get", "pods", "-o", "name"],
        env=dict(learner.environment),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "postgresql-cnpg-951239-1" in found
    again = cahier("rattraper", "tp5", who=learner, cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert "est gardée" in again.stdout


@pytest.mark.cluster
def test_a_file_that_is_not_yaml_is_told_with_its_line(
    new_person: Callable[..., Person], tmp_path: Path
) -> None:
    learner, colleague = new_person(), new_person("c")
    assert cahier("commencer", "tp5", cwd=tmp_path).returncode == 0
    manifest = tmp_path / "tp5_proxy_socat" / "proxy.yaml"
    manifest.write_text("apiVersion: v1\nkind: Pod\n\tmetadata:\n", encoding="utf-8")
    for folder in (tmp_path, manifest.parent):
        done = cahier("verifier", "tp5", "--collegue", colleague.namespace, who=learner, cwd=folder)
        assert done.returncode == 1
        assert "proxy.yaml, ligne 3" in done.stderr
        assert "YAML" in done.stderr


@pytest.mark.cluster
def test_follow_checks_again_at_a_change_and_ends_when_all_is_right(
    new_person: Callable[..., Person], free_port: int
) -> None:
    learner = new_person()
    lab = find_lab("tp2")
    stage = Stage(lab, learner, local_port=free_port)
    command = ["cahier", "verifier", "tp2", "--suivre", "--delai", "30s", "--port", str(free_port)]
    following = subprocess.Popen(
        command,
        env=dict(learner.environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        time.sleep(3)
        assert following.poll() is None, "it waits for a change"
        stage.apply(lab.files("solution"))
        stage.run(lab.about.solution.commands)
        output, _ = following.communicate(timeout=90)
        assert following.returncode == 0, output
        assert "bravo" in output
    finally:
        following.kill()
        stage.close()


@pytest.mark.parametrize(
    "words",
    [["--help"], ["cluster", "--help"], ["noter", "--help"], ["catalogue", "lister", "--help"]],
    ids=" ".join,
)
def test_a_page_is_the_same_when_only_what_is_asked_is_described(words: list[str]) -> None:
    whole, part = (
        CliRunner().invoke(one, words, prog_name="cahier", color=True)
        for one in (application.app, application.named_by(words))
    )
    assert whole.exit_code == part.exit_code == 0
    assert whole.output == part.output


def test_no_module_stands_for_another_once_a_page_can_be_drawn() -> None:
    drawn = (
        "from checks.cli.french import drawing\n"
        "{}drawing()\n"
        "from rich.markdown import Markdown\n"
        "from rich.traceback import Traceback\n"
        "print(Markdown.__doc__ and Traceback.__doc__ and 'whole', drawing().Markdown is Markdown)"
    )
    for before, same in (("", "False"), ("import rich.markdown, rich.traceback\n", "True")):
        done = subprocess.run(
            [sys.executable, "-c", drawn.format(before)], capture_output=True, text=True, check=True
        )
        assert done.stdout.split() == ["whole", same]
