"""A launch link opens the form that is meant, by Onyxia's own rules."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.lab import all_labs
from checks.site import address, installing, onyxia
from tests.support.onyxia import opened

INSTANCE = "https://onyxia.exemple.fr"
REPOSITORY = "https://git.exemple.fr/équipe/cahier?a=b&c"
LABS = list(all_labs())


@pytest.mark.parametrize("lab", [None, *LABS], ids=lambda lab: lab.short_name if lab else "none")
def test_a_place_of_work_is_opened_with_its_lab_and_its_role(lab: object) -> None:
    named = next((one for one in LABS if one is lab), None)
    links = onyxia.editors(INSTANCE, REPOSITORY, named)
    assert [link.text for link in links] == ["VSCode", "JupyterLab"]
    for link, chart in zip(links, ("ide/vscode-python", "ide/jupyter-python"), strict=True):
        form = opened(link.address)
        assert (form.instance, form.chart) == (INSTANCE, chart)
        assert form.settings == {
            "name": f"Cahier {named.short_name.upper()}" if named else "Cahier",
            "autoLaunch": "false",
        }
        assert form.values == {
            ("kubernetes", "enabled"): True,
            ("kubernetes", "role"): "admin",
            ("init", "personalInit"): f"{REPOSITORY}/-/raw/HEAD/onyxia/init.sh",
            ("init", "personalInitArgs"): f"{named.short_name if named else 'cahier'} {REPOSITORY}",
        }


def test_without_an_address_nothing_is_asked_of_an_init_script() -> None:
    for link in onyxia.editors(INSTANCE, ""):
        assert opened(link.address).values == {
            ("kubernetes", "enabled"): True,
            ("kubernetes", "role"): "admin",
        }


def test_a_base_is_opened_or_closed() -> None:
    forms = {link.text: opened(link.address) for link in onyxia.databases(INSTANCE)}
    assert {form.chart for form in forms.values()} == {"databases/postgresql-cnpg"}
    assert {text: dict(form.values) for text, form in forms.items()} == {
        "fermée": {("security", "networkPolicy", "enabled"): True},
        "ouverte": {("security", "networkPolicy", "enabled"): False},
    }


@given(
    st.text(st.characters(exclude_characters="»", exclude_categories=["Cs"])),
    st.dictionaries(
        st.sampled_from(["a.b", "init.personalInit", "x.y.z"]),
        st.one_of(
            st.booleans(), st.text(st.characters(exclude_characters="»", exclude_categories=["Cs"]))
        ),
    ),
)
def test_whatever_a_value_is_the_form_holds_it(name: str, values: dict[str, str | bool]) -> None:
    form = opened(onyxia.launch(INSTANCE, "ide/vscode-python", name, values))
    assert form.settings["name"] == name
    assert form.values == {tuple(key.split(".")): value for key, value in values.items()}


def test_no_link_pins_a_version_nor_launches_by_itself() -> None:
    links = [*onyxia.editors(INSTANCE, REPOSITORY), *onyxia.databases(INSTANCE)]
    for link in links:
        form = opened(link.address)
        assert form.settings["autoLaunch"] == "false"
        assert not {"version", "s3"} & set(form.settings)


# -- on the pages ----------------------------------------------------------------------------------


@pytest.mark.parametrize("known", [True, False])
def test_a_page_installs_what_is_published_or_says_that_it_does_not_know_where(
    known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(address, "repository", lambda: "https://github.com/o/r" if known else "")
    plain, local = installing.installing(), installing.installing("local")
    if known:
        assert 'uv tool install "git+https://github.com/o/r"' in plain
        assert 'uv tool install "cahier-kubernetes[local] @ git+https://github.com/o/r"' in local
        assert "git clone https://github.com/o/r " in installing.cloning()
    else:
        for said in (plain, local, installing.cloning()):
            assert "ne connaît pas l’adresse du dépôt" in said
            assert not re.search(r"https?://", said)
        assert 'uv tool install "."' in plain
        assert 'uv tool install ".[local]"' in local


@pytest.mark.parametrize("known", [True, False])
def test_a_lab_has_its_links_and_the_bases_that_its_page_launches(
    known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(address, "repository", lambda: "https://github.com/o/r" if known else "")
    for lab in LABS:
        said = installing.doors(lab)
        links = dict(re.findall(r"\[([^]]+)\]\((https:[^)]+)\)", said))
        assert "Ouvrir dans le SSPCloud : VSCode" in links
        for link in links.values():
            opened(link)
        assert ("installer-la-commande-cahier" in said) is not known
        typed = re.findall(r"catalogue lancer postgresql.*", lab.page.read_text(encoding="utf-8"))
        ways = {"ouverte" if "--ouvert" in command else "fermée" for command in typed}
        assert {text.split(" : ")[1] for text in links if text.startswith("Lancer")} == ways


@pytest.mark.parametrize("known", [True, False])
def test_what_a_service_runs_is_shown_to_whom_launches_it(
    known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(address, "repository", lambda: "https://github.com/o/r" if known else "")
    said = installing.platform()
    script = "https://raw.githubusercontent.com/o/r/HEAD/onyxia/init.sh"
    assert (f"[ce script]({script})" in said) is known
    for link in re.findall(r"\]\((https:[^)]+/launcher/[^)]+)\)", said):
        assert (("init", "personalInit") in opened(link).values) is known


def test_the_readme_has_the_links_that_the_setting_makes() -> None:
    """Of the setting only: a clone of somebody's must not change it."""
    readme = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")
    for link in (
        *onyxia.editors(address.onyxia(), address.given()),
        *onyxia.databases(address.onyxia()),
    ):
        assert f"]({link.address})" in readme
