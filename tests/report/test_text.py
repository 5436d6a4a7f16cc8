from __future__ import annotations

import io
import json
import subprocess
import sys
from decimal import Decimal

import pytest
from rich.cells import cell_len

from breakeven.report.tabular import to_json
from breakeven.report.text import print_view, render_text
from breakeven.report.view_model import Column, Envelope, Label, Table, View, Warning  # noqa: A004

from . import sample


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_head_says_whose_figures_these_are():
    english, chinese = (render_text(sample.view(), language).split("\n") for language in ("en", "zh"))
    assert english[:3] == [
        "Income",
        "invented-assistant · period 2024-03..2024-08 · as of 2024-08-31"
        " · time zone Asia/Shanghai · currency CNY",
        "[SYNTHETIC DATA]",
    ]
    assert (
        chinese[1]
        == "invented-assistant · 期间 2024-03..2024-08 · 截至 2024-08-31 · 时区 Asia/Shanghai · 币种 CNY"
    )
    assert english[-2] == "! 0.3% of tokens have no price and are in no cost figure."


def test_the_head_leaves_out_what_a_view_does_not_have():
    view = View("v", Label("V", "视"), Envelope("b", "", "UTC", ""), ())
    assert render_text(view).split("\n")[1] == "b · time zone UTC"
    assert render_text(view, "zh").split("\n")[1] == "b · 时区 UTC"


def test_columns_line_up_in_both_languages():
    for language in ("en", "zh"):
        lines = render_text(sample.view(), language).split("\n")
        start = next(i for i, line in enumerate(lines) if line.startswith(("Income by month", "按月损益")))
        assert len({cell_len(line) for line in lines[start + 1 : start + 8]}) == 1
        assert lines[start + 3].endswith("1,935,000.55")
        assert lines[start + 6].endswith("3.8%")


def test_units_stand_in_headers_and_absent_is_a_dash():
    lines = render_text(sample.view()).split("\n")
    assert "Income by month (CNY)" in lines
    assert any(line.startswith("Channel") and "Spend (CNY)" in line and "New users" in line for line in lines)
    assert any(line.startswith("Cost of a new user (CNY per user)") and " – " in line for line in lines)


@pytest.mark.parametrize("width", [30, 60, 100])
def test_a_narrow_terminal_splits_a_table_and_cuts_no_figure(width):
    terminal = Terminal()
    print_view(sample.view(), file=terminal, width=width)
    text = terminal.getvalue()
    for table in sample.view().tables:
        for row in table.rows:
            for value in row.values():
                if (
                    isinstance(value, Decimal)
                    and value == value.quantize(Decimal("0.01"))
                    and abs(value) > 1000
                ):
                    assert f"{value:,.2f}" in text
    assert "…" not in text


def test_ascii_has_no_line_drawing():
    text = render_text(sample.view(), ascii_only=True)
    assert text.isascii()


def test_no_colour_when_asked(monkeypatch):
    def shown() -> str:
        terminal = Terminal()
        print_view(sample.view(), file=terminal, width=200)
        return terminal.getvalue()

    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[" in shown()
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[33m" not in shown()
    assert "\x1b[1;33m" not in shown()


def test_data_cannot_drive_the_terminal():
    name = "evil\x1b]0;owned\x07[bold red]name"
    table = Table("t", Label("T", "表"), (Column("x", Label("X", "某")),), ({"x": name},))
    view = View("v", table.title, Envelope("b\x1b[2J", "2024-01-01", "UTC", "USD"), (table,))
    text = render_text(view)
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "[bold red]name" in text


@pytest.mark.parametrize("mark", ["\x1b[2J", "\u202e", "\x9b2J", "\r"])
def test_no_place_of_a_view_drives_the_terminal(mark):
    said = Label(f"en{mark}", f"zh{mark}")
    column = Column("x", Label(f"X{mark}", f"某{mark}"), words={"w": said})
    rows = ({"x": f"name{mark}"}, {"x": "w"})
    table = Table("t", Label(f"T{mark}", f"表{mark}"), (column,), rows, Label(f"N{mark}", f"注{mark}"))
    warning = Warning("w", Label(f"W{mark}", f"警{mark}"))
    head = Envelope(f"b{mark}", f"2024{mark}", f"UTC{mark}", f"USD{mark}", warnings=(warning,))
    view = View("v", Label(f"V{mark}", f"视{mark}"), head, (table,), facts={"period": f"p{mark}"})
    for language in ("en", "zh"):
        text = render_text(view, language)
        assert mark[0] not in text
        assert "name" in text
    assert json.loads(to_json(view))["rows"][0]["x"] == f"name{mark}", "data stay as they are"


def test_an_empty_table_says_so():
    table = Table("t", Label("T", "表"), (Column("x", Label("X", "某")),), ())
    view = View("v", Label("V", "视"), Envelope("b", "2024-01-01", "UTC", "USD"), (table,))
    assert "no rows" in render_text(view)
    assert "无数据" in render_text(view, "zh")


def test_rich_is_imported_only_to_draw():
    code = "import sys, breakeven.report.text, breakeven.report.tabular; sys.exit('rich' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
