"""An answer: a view that shows itself in a notebook, and gives its tables to go on with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

from breakeven.errors import UsageError
from breakeven.report.view_model import Language, Table, Value, View


@dataclass(frozen=True)
class Answer:
    """What the books answered: a view, as text, HTML, rows, or a table of Arrow, polars or pandas.

    An answer may have several tables; `tables` names them. What is asked of the answer as a whole (`rows`,
    `to_polars`, ...) is asked of its first one, and `answer.table("limits")` is the answer with another one.
    """

    view: View
    language: Language = "en"

    @property
    def tables(self) -> tuple[str, ...]:
        """The names of the tables, in order."""
        return tuple(table.id for table in self.view.tables)

    def table(self, name: str) -> Answer:
        """The same answer with one of its tables. Raises `UsageError` for a name it does not have."""
        for table in self.view.tables:
            if table.id == name:
                return replace(self, view=replace(self.view, tables=(table,), json_rows=()))
        raise UsageError(
            f"this answer has no table {name!r}", remedy=f"use one of {', '.join(self.tables) or 'none'}"
        )

    @property
    def rows(self) -> list[dict[str, Value]]:
        """The rows of the first table: exact decimals, whole numbers, text, and None for no value."""
        return [dict(row) for row in self._first.rows]

    def to_arrow(self) -> Any:
        """The first table as a `pyarrow.Table`; decimals stay exact, units are in the fields' metadata."""
        from breakeven.report.arrow_table import arrow_table

        return arrow_table(self._first)

    def to_polars(self) -> Any:
        """The first table as a `polars.DataFrame`, exact figures as decimals. Needs the extra `notebook`."""
        try:
            import polars
        except ImportError as error:
            raise UsageError(
                "polars is not installed", remedy="install `breakeven[notebook]`, or use to_arrow()"
            ) from error
        return polars.from_arrow(self.to_arrow())

    def to_pandas(self) -> Any:
        """The first table as a `pandas.DataFrame`, exact figures as `Decimal` objects. Needs pandas."""
        try:
            import_module("pandas")  # Arrow imports it, and says less when it is not there
        except ImportError as error:
            raise UsageError(
                "pandas is not installed",
                remedy="install pandas, or `breakeven[notebook]` and use to_polars()",
            ) from error
        return self.to_arrow().to_pandas()

    @property
    def _first(self) -> Table:
        if not self.view.tables:
            raise UsageError("this answer has no table", remedy="look at its `view`")
        return self.view.tables[0]

    def __repr__(self) -> str:
        from breakeven.report.text import render_text

        return render_text(self.view, self.language)

    def _repr_html_(self) -> str:
        """For notebooks: every table of the answer, escaped, in light and dark."""
        from breakeven.report.fragment import render_fragment

        return render_fragment(self.view, self.language)
