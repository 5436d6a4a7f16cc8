"""The retention tables: partial cells are named in their row, and a line has one identifier everywhere."""

from __future__ import annotations

from breakeven.account.retention import ALL, RetentionLine
from breakeven.report.views.retention import count_table, share_table

NAMES = ("M0", "M1", "M2", "M3", "M4", "M5")
LINES = [
    RetentionLine(
        ALL, (9, 9, 5, 5, 0, 0), (9, 4, 2, 1, None, None), (False, True, True, True, True, True), 9
    ),
    RetentionLine(
        "x", (5, 5, 5, 5, 0, 0), (5, 2, 2, 1, None, None), (True, False, True, False, True, True), 5
    ),
    RetentionLine("", (4, 4, 0, 0, 0, 0), (4, 2, None, None, None, None), (False,) * 2 + (True,) * 4, 4),
]


def test_partial_periods_are_named_in_each_row_of_the_triangle():
    table = share_table("classic", "month", "channel", LINES, NAMES)
    assert [row["partial"] for row in table.rows] == ["M1..M3", "M0, M2", "none"]
    assert table.columns[-1].label.zh == "未满期"
    assert table.columns[-1].words["none"].zh == "无"
    # A count of measured cells told nothing of which.
    assert "measured" not in {column.key for column in table.columns}


def test_a_line_has_the_same_identifier_in_shares_and_in_counts():
    for by in ("channel", "plan"):
        shares = share_table("classic", "month", by, LINES, NAMES)
        counts = count_table(by, LINES, NAMES)
        assert [row["row"] for row in shares.rows] == list(dict.fromkeys(row["line"] for row in counts.rows))
        assert shares.rows[0]["row"] == ALL
        assert shares.columns[0].words[ALL].text("zh") == "全部用户"


def test_every_row_has_a_value_for_each_column():
    table = share_table("classic", "month", "channel", LINES, NAMES)
    assert all({column.key for column in table.columns} == row.keys() for row in table.rows)
