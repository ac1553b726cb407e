"""What is wrong, found and told apart: a lesson's fields are what was found, its texts say it in
French."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from checks.capabilities import Cluster
from checks.french import quoted
from checks.verdict import Diagnostic


class Lesson(msgspec.Struct, kw_only=True):
    """A problem that a check has found. Each kind of problem is a subclass: its fields, and its
    texts.

    In the texts, `{field}` is a field of the lesson, `{namespace}` the learner's namespace and
    `{colleague}` the colleague's; a brace that is to be shown is doubled. What each text is for:
    see `Diagnostic`.
    """

    finding: ClassVar[str]
    cause: ClassVar[str]
    fix: ClassVar[str]
    look: ClassVar[tuple[str, ...]] = ()
    commands: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    look_first: tuple[str, ...] = ()
    """Commands that look at what was found, where their number depends on it; those of `look` come
    after."""
    transient: bool = False

    def told(self, cluster: Cluster) -> Diagnostic:
        """The lesson, in French. Raises UsageError where a text names the colleague and none was
        given."""
        words = _Words(msgspec.structs.asdict(self), namespace=cluster.namespace)
        words.cluster = cluster
        return Diagnostic(
            finding=self.finding.format_map(words),
            cause=self.cause.format_map(words),
            fix=self.fix.format_map(words),
            commands=self.commands,
            lines=self.lines,
            look=[*self.look_first, *(line.format_map(words) for line in self.look)],
            transient=self.transient,
        )


class _Words(dict[str, Any]):
    """What the texts name; the colleague is asked of the cluster only by a text that names them."""

    cluster: Cluster

    def __missing__(self, name: str) -> str:
        if name != "colleague":
            raise KeyError(name)
        return self.cluster.colleague.namespace


class Clause(msgspec.Struct, kw_only=True):
    """A part of a sentence, where several lessons share it, or where there may be several of it, or
    none.

    `{field}`, in its text, is a field of the clause. As a text, it is its words.
    """

    text: ClassVar[str]

    def __str__(self) -> str:
        return self.text.format_map(msgspec.structs.asdict(self))


class Names(tuple[str, ...]):
    """Names, in a text: `{names}` quotes them all, and `{names:est|sont}` is the word that agrees
    with their number."""

    __slots__ = ()

    def __format__(self, agreeing: str) -> str:
        if not agreeing:
            return quoted(self)
        one, _, several = agreeing.partition("|")
        return several if len(self) > 1 else one


Wrong = Diagnostic | Lesson
"""What a check returns when its sentence is not true."""


def told(wrong: Wrong | None, cluster: Cluster) -> Diagnostic | None:
    """What a check has found, in French."""
    return wrong.told(cluster) if isinstance(wrong, Lesson) else wrong
