"""The pages of the board: escaped by their templates, with no script but ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jinja2 import PackageLoader
from markupsafe import Markup

from checks.grading.exports import pages
from checks.grading.results import LabGrade, lab_info, of_learner
from checks.grading.roster import Learner
from checks.lab import Hop, Lab

_PACKAGE = "checks.board"
_POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "connect-src 'self'; style-src 'unsafe-inline'; script-src '{}'"
)


class Pages:
    """What the board serves; `title` names the class."""

    def __init__(self, title: str, count: int, labs: Sequence[Lab]) -> None:
        self._title, self._count = title, count
        self._infos = [lab_info(lab) for lab in labs]
        self._paths: Mapping[str, Sequence[Hop]] = {lab.name: lab.about.path for lab in labs}
        self.board = self._page("board.html", "board.js")
        """The page and its policy."""
        self.slide = self._page("slide.html", "slide.js")
        """The page that everybody may see, and its policy."""

    def person(self, learner: Learner, grades: Sequence[LabGrade]) -> bytes:
        """The path of somebody, as a part of the board's page."""
        told = pages.told(self._infos, of_learner(learner, grades), self._paths) if grades else ()
        return self._render("person.html", learner=learner, labs=told)

    def _page(self, name: str, script: str) -> tuple[bytes, str]:
        environment = pages.environment(_PACKAGE)
        source, _, _ = PackageLoader(_PACKAGE).get_source(environment, script)
        page = self._render(
            name,
            title=self._title,
            count=self._count,
            labs=self._infos,
            script=Markup(source),
        )
        return page, _POLICY.format(pages.digest(source))

    def _render(self, name: str, **values: object) -> bytes:
        return pages.environment(_PACKAGE).get_template(name).render(**values).encode()
