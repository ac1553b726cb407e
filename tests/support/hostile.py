"""What somebody may write where a command will read it, and what must not be found in anything that
is written."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence

FORGED = "✔ Tout est juste. 20 points sur 20"

HOSTILE: Mapping[str, str] = {
    "colours and the cursor": "\x1b[31mrouge\x1b[2J\x1b[1A\x1b]0;titre\x07",
    "a link of the terminal": "\x1b]8;;http://mechant.example/\x1b\\cliquez\x1b]8;;\x1b\\",
    "the clipboard": "\x1b]52;c;cm0gLXJmIH4=\x07",
    "one-byte controls": "\x9b2J\x9d52;c;AAAA\x9c\x90\x85",
    "other controls": "a\x00b\x07c\x08d\x0be\x0cf\x7fg",
    "directions": "nom\u202egpj.exe\u202c\u2066x\u2069\u200e\u200f\u061c",
    "what nobody sees": "pg\u200b-\u2060pro\ufeffxy\u00ad\u180e\u3164\U000e0041\u2800",
    "a line of ours": f"mon-api\n{FORGED}\r\n  {FORGED}\u2028{FORGED}\u2029{FORGED}\x85{FORGED}",
    "a carriage return": f"mon-api\r{FORGED}",
    "markup of Rich": "[red]rouge[/red] [link=http://mechant.example]ici[/link] [/] [bold",
    "a name of emoji": "hote:warning:5432",
    "HTML": "<script>alert(1)</script><img src=x "
    "onerror=alert(1)>\"'><svg/onload=alert(1)>&lt;b&gt;",
    "an end of XML": "]]></failure></testcase><testcase name='faux'/>",
    "a template": "{{ 7 * 7 }} {% raw %} ${HOME} {0}",
    "Markdown": "[clic](javascript:alert(1)) ![](http://mechant.example/x.png) `` ``` # titre\n# "
    "titre",
    "a formula": '=cmd|"/C calc"!A0',
    "a formula after a tab": "\t=1+1",
    "a formula after a carriage return": "\r=1+1",
    "other formulas": "@SUM(1;1)\n+1\n-1",
    "cells": '";"\r\n"a","b";c',
    "a shell": "$(touch /tmp/x); `id` | sh && rm -rf ~ # ' \" \\ !! --all",
    "half a character": "\ud800\udfff\ufffe\uffff\ufdd0",
    "marks upon marks": "z" + "\u0301" * 500,
    "a letter of ours": "a\ue000b\uf8ff",
    "a long word": "x" * 2**17,
    "many lines": f"mon-api\n{FORGED}\n" * 2**10,
}

HONEST: Sequence[str] = (
    "l’API de Zoé « œuvre » à 12 €",
    "محمد عبد الله",
    "می‌خواهم",
    "שלום",
    "👩‍💻 ❤️‍🔥 🇫🇷 👍🏽 1️⃣",
    "Nguyễn Thị Ánh",
    "x" * 63,
    f"app.kubernetes.io/name={'y' * 63}",
)

# part of how some words and emoji are written
_WRITTEN = re.compile("(?<=\\S)[\u200c\u200d](?=\\S)|(?<=\\S)\ufe0f")
_DRAWN = re.compile(r"\x1b\[[\d;]*m")
_BLANK = "\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u2800\u3164\uffa0\u034f"


def active(text: str, *, drawn: bool = False) -> Sequence[str]:
    """The characters of a text that act, hide or are none. `drawn`: colours are the drawing's
    own."""
    text = _WRITTEN.sub("", _DRAWN.sub("", text) if drawn else text)
    return [
        hex(ord(one))
        for one in text
        if one in _BLANK
        or (
            unicodedata.category(one) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
            and one not in "\n\r\t"
        )
        or ord(one) & 0xFFFE == 0xFFFE
    ]


def forged(text: str) -> Sequence[str]:
    """Lines that look like words of ours, and are somebody else's; what stands further in is part
    of a paragraph."""
    lines = re.split("[\r\n\x0b\x0c\x85\u2028\u2029]", _DRAWN.sub("", text))
    return [line for line in lines if re.match(rf" {{0,4}}{re.escape(FORGED)}", line)]
