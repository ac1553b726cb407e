from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from checks.moodle.link import key_file, public_key
from checks.places import write_private
from tests.support import open_edx
from tests.support.grade_book import GradeBook, private_key
from tests.support.lti_platform import LtiPlatform


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CAHIER_ETAT", str(tmp_path / "etat"))
    write_private(key_file(), private_key().decode())
    return tmp_path / "etat"


@pytest.fixture(scope="session")
def open_edx_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[open_edx.Server]:
    """Open edX's services, for all tests of a worker; what they are made of stays in pytest's
    cache."""
    try:
        python = open_edx.environment(request.config.cache.mkdir("open_edx"))
    except open_edx.NotInstalled as error:
        reason = f"the packages of Open edX’s LTI services cannot be installed: {error}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(f"NO MARK SENT TO OPEN EDX: {reason}")
    with open_edx.started(python, tmp_path_factory.mktemp("open_edx") / "log") as server:
        yield server


@pytest.fixture(
    params=["lti1p3platform", pytest.param("open_edx", marks=pytest.mark.slow)],
)
def book(request: pytest.FixtureRequest) -> Iterator[GradeBook]:
    """A grade book of each platform: whatever a test asks of it is asked of both."""
    if request.param == "open_edx":
        own: GradeBook = open_edx.OpenEdx(request.getfixturevalue("open_edx_server"))
    else:
        own = LtiPlatform()
    with own as running:
        running.trust(public_key())
        yield running


@pytest.fixture
def front() -> Iterator[LtiPlatform]:
    """A grade book for what a test answers by itself: whose it is does not matter."""
    with LtiPlatform() as running:
        running.trust(public_key())
        yield running
