"""`junit.xml`: one suite per learner, one case per check, for the tools of continuous
integration."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

from checks.grading.results import CheckGrade, ClassGrades, LabGrade
from checks.verdict import Status

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(grades: ClassGrades) -> bytes:
    """The file, in UTF-8. It holds neither dates nor durations: the same grades make the same
    bytes."""
    document = JUnitXml("cahier noter")  # type: ignore[no-untyped-call]
    for learner in grades.learners:
        suite = TestSuite(learner.identifier)  # type: ignore[no-untyped-call]
        suite.add_property("namespace", learner.namespace)
        for lab in learner.labs:
            if lab.state == "graded" and lab.reason:
                suite.add_property(lab.lab, _xml(lab.reason))
            suite.add_testcases([_case(lab, check) for check in lab.checks] or [_whole(lab)])
        document.add_testsuite(suite)
    root = ElementTree.fromstring(document.tostring())  # type: ignore[no-untyped-call]
    for element in root.iter():
        element.attrib.pop("time", None)
    ElementTree.indent(root)
    return (
        b'<?xml version="1.0" encoding="utf-8"?>\n'
        + ElementTree.tostring(root, "unicode").encode()
        + b"\n"
    )


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
