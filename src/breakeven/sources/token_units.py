"""Quantities in tokens, however a bill counts them: by the token, the thousand or the million."""

from __future__ import annotations

from breakeven.sources.nine_decimals import nine_decimals

_ONE = "'(1 )?tokens?'"
_THOUSAND = "'(1 ?)?(k|thousand)[ -]?tokens?|1,?000 tokens?'"
_MILLION = "'(1 ?)?(m|million)[ -]?tokens?|1,?000,?000 tokens?|mtok'"


def in_tokens(quantity: str, unit: str) -> tuple[str, str]:
    """SQL of a quantity and of its unit: in tokens where the unit counts tokens, else as they are.

    >>> from breakeven.engine.duckdb import DuckDBEngine
    >>> with DuckDBEngine() as engine:
    ...     for unit in ("Tokens", "1K tokens", "1M Tokens", "Hours"):
    ...         engine.rows("SELECT {}, {}".format(*in_tokens("'1.5'", f"'{unit}'")))
    [('1.500000000', 'tokens')]
    [('1500.000000000', 'tokens')]
    [('1500000.000000000', 'tokens')]
    [('1.500000000', 'Hours')]
    """
    said = f"lower(trim({unit}))"

    def times(factor: str) -> str:
        return (
            f"CAST(TRY(TRY_CAST({quantity} AS DECIMAL(28,15)) * CAST({factor} AS DECIMAL(7,0))) AS VARCHAR)"
        )

    many = (
        f"CASE WHEN NOT contains({said}, 'tok') THEN {quantity} "
        f"WHEN regexp_full_match({said}, {_THOUSAND}) THEN coalesce({times('1000')}, {quantity}) "
        f"WHEN regexp_full_match({said}, {_MILLION}) THEN coalesce({times('1000000')}, {quantity}) "
        f"ELSE {quantity} END"
    )
    counts_tokens = f"regexp_full_match({said}, {_ONE[:-1]}|{_THOUSAND[1:-1]}|{_MILLION[1:]})"
    return nine_decimals(
        many
    ), f"CASE WHEN contains({said}, 'tok') AND {counts_tokens} THEN 'tokens' ELSE {unit} END"
