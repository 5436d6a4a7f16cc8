"""Amounts with more decimals than the books keep: rounded to the ninth, half to even, and only by saying so.

The ledger refuses an amount of more than nine decimals rather than lose a digit. Cost reports do write more
(a token may cost a fraction of a billionth): their layouts round with this, and their notes say it.
"""

from __future__ import annotations

_ROUND_ENOUGH = "'-?[0-9]{1,13}([.][0-9]{1,9})?'"
_NUMBER = "'[+-]?[0-9]+([.][0-9]{1,22})?([eE][+-]?[0-9]{1,2})?'"
_EVEN_AND_HALF = f"'[02468]5{'0' * 14}$'"


def nine_decimals(expression: str, *, cents: bool = False) -> str:
    """SQL of a number as text with at most nine decimals; with `cents`, of its hundredth.

    What is no number of at most 22 decimals stays as it is, for the ledger to refuse.

    >>> from breakeven.engine.duckdb import DuckDBEngine
    >>> with DuckDBEngine() as engine:
    ...     for number in ("0.0000000025", "0.0000000035", "1.98e-05", "-12.5", "0.06000000000001", "a lot"):
    ...         said = repr(number)
    ...         engine.rows(f"SELECT {nine_decimals(said)}, {nine_decimals(said, cents=True)}")
    [('0.000000002', '0.000000000')]
    [('0.000000004', '0.000000000')]
    [('0.000019800', '0.000000198')]
    [('-12.5', '-0.125000000')]
    [('0.060000000', '0.000600000')]
    [('a lot', 'a lot')]
    """
    wide = f"TRY_CAST({expression} AS DECIMAL(38,24))"
    if cents:
        wide = f"TRY(TRY_CAST({expression} AS DECIMAL(34,22)) * CAST(0.01 AS DECIMAL(2,2)))"
    digits = f"CAST({wide} AS VARCHAR)"
    rounded = (
        f"CASE WHEN regexp_matches({digits}, {_EVEN_AND_HALF}) THEN left({digits}, length({digits}) - 15) "
        f"ELSE CAST(CAST({wide} AS DECIMAL(28,9)) AS VARCHAR) END"
    )
    short = "" if cents else f"WHEN regexp_full_match({expression}, {_ROUND_ENOUGH}) THEN {expression} "
    return (
        f"CASE {short}WHEN regexp_full_match({expression}, {_NUMBER}) THEN coalesce({rounded}, {expression}) "
        f"ELSE {expression} END"
    )
