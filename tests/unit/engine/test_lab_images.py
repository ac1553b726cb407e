"""The facts about the labs' images are well formed, and what ours are configured with is theirs."""

from __future__ import annotations

import os
import re

import pytest

from tests.support import image_facts

if os.name == "nt":
    pytest.skip("the engine needs Linux", allow_module_level=True)

from engine import lab_images

FACTS = image_facts.read()


def _short(name: str) -> str:
    return name.removeprefix("library/")


def test_every_image_and_every_other_tag_is_described() -> None:
    made = {_short(name) for image in lab_images.IMAGES for name in image.names}
    assert made == {*FACTS.images, *FACTS.tags}


@pytest.mark.parametrize("name", FACTS.images)
def test_every_fact_has_a_source_and_an_answer_that_can_be_compared(name: str) -> None:
    image = FACTS.images[name]
    known: list[image_facts.Sourced] = [*image.facts, *image.containers]
    for one in known:
        assert one.source in FACTS.sources, one
        assert one.notice, one
    for fact in image.facts:
        re.compile(fact.answer)
        if fact.here:
            re.compile(fact.here.answer)
            assert fact.here.because, fact
            assert (fact.here.answer, fact.here.status) != (fact.answer, fact.status), fact
    assert image.source in FACTS.sources
    assert bool(image.lacking) == bool(image.lacking_because)


@pytest.mark.parametrize("image", lab_images.IMAGES, ids=lambda image: _short(image.names[0]))
def test_ours_are_configured_as_the_real_ones(image: lab_images.LabImage) -> None:
    (known,) = (FACTS.images[name] for name in map(_short, image.names) if name in FACTS.images)
    here = {**known.configuration_here}
    assert bool(here) == bool(here.pop("because", "")), "a difference says why"
    assert dict(image.configuration) == {**known.configuration, **here}


def test_what_ours_lack_is_something_that_the_real_ones_have() -> None:
    for image in FACTS.images.values():
        if image.commands:
            names = {path.rpartition("/")[2] for path in image.paths(ours=False)}
            assert {*image.lacking.split()} <= names
