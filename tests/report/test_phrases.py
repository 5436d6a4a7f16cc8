"""Whatever the program can say of a failure or a rejected row, it can say in Chinese."""

from __future__ import annotations

import json
import os
import re
import string
import subprocess
import sys
from pathlib import Path

import click
import pytest
from tests.report.messages import Scan, messages

from breakeven.errors import InputError
from breakeven.report import phrases

CATALOGUE = json.loads(Path(phrases.__file__).with_name("phrases_zh.json").read_text("utf-8"))
OURS, OTHERS = CATALOGUE["ours"], CATALOGUE["others"]
HOLES = re.compile(r"\{\d\}")
SYSTEM = {os.strerror(number) for number in range(1, 134)}


def test_every_text_has_its_chinese():
    lacking = {text: place for text, place in messages().items() if text not in OURS}
    assert lacking == {}


def test_no_chinese_outlives_its_text():
    assert sorted(set(OURS) - set(messages())) == []


@pytest.mark.parametrize("english", [*OURS, *OTHERS])
def test_the_chinese_is_chinese_and_loses_nothing(english):
    chinese = (OURS | OTHERS)[english]
    assert any("\u4e00" <= letter <= "\u9fff" for letter in chinese)
    assert sorted(HOLES.findall(chinese)) == sorted(HOLES.findall(english))
    # Names that a person types are the same in every language.
    assert set(re.findall(r"`[^`]+`|--[a-z-]+", english)) - {"`name: value`"} <= set(
        re.findall(r"`[^`]+`|--[a-z-]+", chinese)
    )


@pytest.mark.parametrize("english", OURS)
def test_a_text_finds_its_own_template(english):
    """Templates may fit each other's texts; what stands in the holes must still come out at its place."""
    values = [f"<{letter}>" for letter in string.ascii_lowercase]
    holes = dict(zip((f"{{{i}}}" for i in range(9)), values, strict=False))

    def filled(text):
        return HOLES.sub(lambda hole: holes[hole[0]], text)

    if "{0}{1}" not in english:  # nothing tells two neighbours apart, and nothing needs to
        assert phrases.chinese(filled(english)) == filled(OURS[english])


def test_a_text_that_nobody_knows_stays_as_it_is():
    assert phrases.chinese("a message of some other program") == "a message of some other program"
    assert phrases.chinese("") == ""


def test_values_are_never_taken_for_words():
    assert phrases.chinese("unknown table 'missing'") == "未知的表 'missing'"
    assert phrases.chinese("unknown table '{0}\n{1}'") == "未知的表 '{0}\n{1}'"


def test_the_longer_template_counts():
    assert phrases.chinese("unknown token class 'x' in serving.weights").startswith("serving.weights 中")


def test_a_failure_as_one_line():
    error = InputError("no such file", where="a.csv", cause="[Errno 2] No such file or directory: 'a.csv'")
    assert phrases.failure_in_chinese(error) == "没有这个文件。原因：没有这个文件或文件夹: 'a.csv'。"


CLICK_MISTAKES = [
    (click.Choice(["a", "b"]), "c"),
    (click.Choice(["a"]), "c"),
    (click.INT, "x"),
    (click.FLOAT, "x"),
    (click.IntRange(min=1), "0"),
    (click.IntRange(min=1), "x"),
    (click.DateTime(["%Y"]), "x"),
    (click.DateTime(["%Y", "%d"]), "x"),
    (click.Path(exists=True), "nowhere"),
    (click.Path(exists=True, file_okay=False), "nowhere"),
    (click.Path(exists=True, file_okay=False), __file__),
    (click.Path(exists=True, dir_okay=False), "nowhere"),
    (click.Path(exists=True, dir_okay=False), "/"),
]


@pytest.mark.parametrize(("kind", "value"), CLICK_MISTAKES, ids=lambda value: str(value)[:20])
def test_what_click_says_of_a_value(kind, value):
    with pytest.raises(click.BadParameter) as caught:
        kind.convert(value, None, None)
    assert phrases.chinese(caught.value.message) != caught.value.message


@pytest.mark.parametrize("arguments", [["x"], ["x", "y"], ["--flag=1"], ["--value"]])
def test_what_click_says_of_a_command_line(arguments):
    command = click.Command(
        "c", params=[click.Option(["--flag"], is_flag=True), click.Option(["--value"])], callback=print
    )
    with pytest.raises(click.UsageError) as caught:
        command.main(arguments, standalone_mode=False)
    assert phrases.chinese(caught.value.message) != caught.value.message


def test_what_the_system_says_is_what_it_says():
    said = {text for text in OTHERS if not HOLES.search(text)} - {"Missing command."}
    assert said <= SYSTEM


SOURCE = '''
from breakeven.errors import InputError

WORDS = "no room"
SQL = f"""
CASE kind
    WHEN 'A' THEN regexp_replace(told, 'x', 'got \\\\2 of \\\\1', 's')
    WHEN 'LONG NAME' THEN 'not ' || {WORDS} || ' text'
    ELSE told
END AS reason
"""

class Full(InputError):
    pass

class Reader:
    def fail(self, node, what, remedy=""):
        return InputError(what, where=str(node), remedy=remedy)

    def read(self, name, deep):
        hint = f" (did you mean {name!r}?)" if deep else ""
        raise self.fail(name, f"no {name}{hint}", "go " + ("up" if deep else "down"))

def load(path, error):
    text = WORDS
    if path:
        text += f": {path}"
    raise Full(text, where="nowhere", cause=str(error))
'''


def test_the_scan_follows_texts_to_where_they_are_written(tmp_path):
    (tmp_path / "errors.py").write_text(
        "class BreakevenError(Exception): ...\nclass InputError(BreakevenError): ...\n"
    )
    (tmp_path / "source.py").write_text(SOURCE)
    assert sorted(Scan(tmp_path).found) == [
        "go down",
        "go up",
        "got {0} of {1}",
        "no room",
        "no room: {0}",
        "no {0}",
        "no {0} (did you mean {1}?)",
        "not {0} text",
    ]


def test_english_never_reads_the_catalogue(tmp_path):
    code = "import sys; from breakeven.cli.main import main; main(sys.argv[1:]); print(*sys.modules)"
    for language, loaded in (("en", False), ("zh", True)):
        done = subprocess.run(
            [sys.executable, "-c", code, "log", str(tmp_path), "--lang", language],
            capture_output=True,
            text=True,
            check=True,
        )
        assert ("breakeven.report.phrases" in done.stdout.split()) is loaded
