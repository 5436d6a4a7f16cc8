"""`breakeven explain METRIC`: how a metric is defined, and its inputs down to the tables."""

from __future__ import annotations

from pathlib import Path

import click

from breakeven.cli.bilingual import command
from breakeven.cli.options import ViewOptions, books_argument, view_options
from breakeven.cli.output import emit
from breakeven.cli.views import account_of, allow_filters


@command(
    "explain",
    en="Explain METRIC of BOOKS: its definition, and its tree of inputs with their values.",
    zh="解释 BOOKS 的 METRIC：定义，以及逐层的输入与数值。",
)
@books_argument(required=True)
@click.argument("metric")
@view_options
def explain(books: Path, metric: str, options: ViewOptions) -> None:
    """Show where a number comes from."""
    from breakeven.report.views.explain import explain_view, known_metric

    allow_filters(options)
    name = known_metric(metric)
    emit(explain_view(account_of(books, options), name), options)
