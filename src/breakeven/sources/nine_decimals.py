"""Amounts with more decimals than the books keep: rounded to the ninth, half to even, and only by saying so.

The ledger refuses an amount of more than nine decimals rather than lose a digit. Cost reports do write more
(a token may cost a fraction of a billionth): their layouts round with this, and their notes say it.
"""

from __future__ import annotations

_EVEN = "'0', '2', '4', '6', '8'"


def nine_decimals(expression: str, *, cents: bool = False) -> str:
    """SQL of a number as text with at most nine decimals; with `cents`, of its hundredth.

    What is no such number stays as it is, for the ledger to refuse. Up to 24 decimals are looked at.

    >>> from breakeven.engine.duckdb import DuckDBEngine
    >>> with DuckDBEngine() as engine:
    ...     for number in ("0.0000000025", "0.0000000035", "1.98e-05", "-12.5", "0.06000000000001", "1_0"):
    ...         said = repr(number)
    ...         engine.rows(f"SELECT {nine_decimals(said)}, {nine_decimals(said, cents=True)}")
    [('0.000000002', '0.000000000')]
    [('0.000000004', '0.000000000')]
    [('0.000019800', '0.000000198')]
    [('-12.500000000', '-0.125000000')]
    [('0.060000000', '0.000600000')]
    [('1_0', '1_0')]
    """
    wide = f"TRY_CAST({expression} AS DECIMAL(38,24))"
    if cents:
        wide = f"TRY(TRY_CAST({expression} AS DECIMAL(34,22)) * CAST(0.01 AS DECIMAL(2,2)))"
    digits = f"CAST({wide} AS VARCHAR)"
    half = f"right({digits}, 15) = '5{'0' * 14}' AND left(right({digits}, 16), 1) IN ({_EVEN})"
    rounded = f"CAST(CAST({wide} AS DECIMAL(28,9)) AS VARCHAR)"
    return (
        f"CASE WHEN {wide} IS NULL OR contains({expression}, '_') THEN {expression} "
        f"WHEN {half} THEN left({digits}, length({digits}) - 15) ELSE {rounded} END"
    )
