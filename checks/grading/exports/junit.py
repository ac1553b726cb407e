"""`junit.xml`: one suite per learner, one case per check, for the tools of continuous
integration."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from junitparser import Error, Failure, Skipped, TestCase, TestSuite

from checks.grading.results import CheckGrade, ClassGrades, LabGrade, LearnerGrades
from checks.verdict import Status

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(grades: ClassGrades) -> bytes:
    """The file, in UTF-8. It holds neither dates nor durations: the same grades make the same
    bytes."""
    # one suite at a time: a library's whole document compares each with all, and fills the memory
    suites = [b"  " + _written(_suite(learner), 1) for learner in grades.learners]
    empty = _written(ElementTree.Element("testsuites", name="cahier noter"), 0)
    lines = [empty.removesuffix(b" />") + b">", *suites, b"</testsuites>"] if suites else [empty]
    return b"\n".join((b'<?xml version="1.0" encoding="utf-8"?>', *lines, b""))


def _suite(learner: LearnerGrades) -> ElementTree.Element:
    element = ElementTree.Element("testsuite")
    suite = TestSuite.fromelem(element)  # type: ignore[no-untyped-call]
    suite.name = learner.identifier
    suite.add_property("namespace", learner.namespace)
    cases: list[TestCase] = []
    for lab in learner.labs:
        if lab.state == "graded" and lab.reason:
            suite.add_property(lab.lab, _xml(lab.reason))
        cases += [_case(lab, check) for check in lab.checks] or [_whole(lab)]
    suite.add_testcases(cases)  # once: each time, all are counted again
    return element


def _written(root: ElementTree.Element, level: int) -> bytes:
    for element in root.iter():
        element.attrib.pop("time", None)
    ElementTree.indent(root, level=level)
    return ElementTree.tostring(root, "unicode").encode()


def _case(lab: LabGrade, check: CheckGrade) -> TestCase:
    case = TestCase(_xml(check.title), classname=lab.lab)
    said = _xml(check.finding)
    if check.status is Status.ERROR:
        case.result = [Error(said, check.id)]
    elif not lab.begun:
        case.result = [Skipped(_xml(lab.reason), check.id)]
    elif not check.decided or check.status in (Status.SKIPPED, Status.UNVERIFIED):
        case.result = [Skipped(said, check.id)]
    elif check.status is Status.FAILED:
        failure = Failure(said, check.id)
        failure.text = _xml(check.cause)
        case.result = [failure]
    return case


def _whole(lab: LabGrade) -> TestCase:
    """A lab that could not be looked at."""
    case = TestCase("Le TP a pu être regardé.", classname=lab.lab)
    case.result = [Skipped(_xml(lab.reason), lab.state)]
    return case


def _xml(text: str) -> str:
    """`text` without the characters that XML cannot hold."""
    return _NOT_XML.sub("\ufffd", text)
