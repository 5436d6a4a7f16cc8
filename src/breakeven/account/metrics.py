"""A metric is a small tree over measures; one tree, three evaluators.

1. `on_decimals`: exact, for booked statements. A missing input gives *no value* and says which.
2. `on_columns`: an Ibis expression over columns, per user or per cohort, when rows are too many for Python.
3. `on_arrays`: float arrays of any shape (draw, month), for simulations.

All three share one ratio rule: a zero denominator or a missing input gives no value, never 0 or 100 %.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from breakeven.money import EXACT

Operator = Literal["+", "-", "*", "/"]


@dataclass(frozen=True)
class Missing:
    """No value, and why, in both languages.

    `needs` are the measures that were absent; `is_gap` says that no source covered the period.
    """

    en: str
    zh: str
    needs: tuple[str, ...] = ()
    is_gap: bool = False


Amount = Decimal | Missing
NOT_POSITIVE = Missing("it is not above zero, so there is nothing to divide by", "该值不大于零，无从相除")
ZERO_DENOMINATOR = Missing("the denominator is zero", "分母为零")


class Node:
    """An expression over measures; built with `+ - * /`."""

    def __add__(self, other: Node) -> Node:
        return Operation("+", self, other)

    def __sub__(self, other: Node) -> Node:
        return Operation("-", self, other)

    def __mul__(self, other: Node) -> Node:
        return Operation("*", self, other)

    def __truediv__(self, other: Node) -> Node:
        return Operation("/", self, other)


@dataclass(frozen=True)
class Measured(Node):
    """A leaf: an additive fact by its id."""

    id: str


@dataclass(frozen=True)
class Number(Node):
    """A constant, such as the million in "per million tokens"."""

    value: Decimal


@dataclass(frozen=True)
class Positive(Node):
    """A node that has no value unless it is above zero: months of cash mean nothing when none is burnt."""

    node: Node


@dataclass(frozen=True)
class Operation(Node):
    """Two nodes and what joins them."""

    operator: Operator
    left: Node
    right: Node


@dataclass(frozen=True)
class Named(Node):
    """A metric used inside another: evaluates like its tree, prints by its name."""

    id: str
    node: Node


def measures_of(node: Node) -> tuple[str, ...]:
    """Ids of the measures a tree reads, in order of appearance, each once."""
    match node:
        case Measured():
            return (node.id,)
        case Operation():
            return tuple(dict.fromkeys(measures_of(node.left) + measures_of(node.right)))
        case Named() | Positive():
            return measures_of(node.node)
        case _:
            return ()


def on_decimals(node: Node, measure: Callable[[str], Amount]) -> Amount:
    """Evaluate exactly on booked amounts.

    >>> books = {"revenue": Decimal(100), "cost": Decimal(60), "users": Decimal(0)}
    >>> margin = (Measured("revenue") - Measured("cost")) / Measured("revenue")
    >>> on_decimals(margin, books.__getitem__)
    Decimal('0.4')
    >>> on_decimals(Measured("revenue") / Measured("users"), books.__getitem__).en
    'the denominator is zero'
    """
    match node:
        case Measured():
            return measure(node.id)
        case Number():
            return node.value
        case Named():
            return on_decimals(node.node, measure)
        case Positive():
            amount = on_decimals(node.node, measure)
            return amount if isinstance(amount, Missing) or amount > 0 else NOT_POSITIVE
        case Operation():
            left, right = on_decimals(node.left, measure), on_decimals(node.right, measure)
            if isinstance(left, Missing) or isinstance(right, Missing):
                return _both_missing(left, right)
            match node.operator:
                case "+":
                    return EXACT.add(left, right)
                case "-":
                    return EXACT.subtract(left, right)
                case "*":
                    return EXACT.multiply(left, right)
                case "/":
                    return EXACT.divide(left, right) if right else ZERO_DENOMINATOR
        case _:
            raise TypeError(f"not a metric node: {node!r}")


def _both_missing(left: Amount, right: Amount) -> Missing:
    missing = [side for side in (left, right) if isinstance(side, Missing)]
    if len(missing) == 1 or missing[0] == missing[1]:
        return missing[0]
    needs = tuple(dict.fromkeys(missing[0].needs + missing[1].needs))
    return Missing(f"{missing[0].en}; {missing[1].en}", f"{missing[0].zh}；{missing[1].zh}", needs)


def on_columns(node: Node, column: Callable[[str], Any]) -> Any:
    """The same tree as an Ibis expression; a column that is null has no value.

    Division is decimal-safe on both engines: numerators are scaled before they are divided.
    """
    import ibis

    match node:
        case Measured():
            return column(node.id)
        case Number():
            # A whole number joins a decimal column of any scale; two scales would not go together.
            is_whole = node.value == node.value.to_integral_value()
            if is_whole:
                return ibis.literal(int(node.value))
            places = -int(node.value.as_tuple().exponent)
            return ibis.literal(node.value, type=f"decimal(38, {places})")
        case Named():
            return on_columns(node.node, column)
        case Positive():
            value = on_columns(node.node, column)
            return ibis.ifelse(value > 0, value, ibis.null())
        case Operation():
            left, right = on_columns(node.left, column), on_columns(node.right, column)
            match node.operator:
                case "+":
                    return left + right
                case "-":
                    return left - right
                case "*":
                    return left * right
                case "/":
                    # Engines disagree on decimal division (scale, zero); floats they divide alike.
                    return left.cast("float64") / right.cast("float64").nullif(0.0)
        case _:
            raise TypeError(f"not a metric node: {node!r}")


def on_arrays(node: Node, array: Callable[[str], Any]) -> Any:
    """The same tree on float arrays; no value is NaN. Floats: for models, never for booked money."""
    import numpy as np

    match node:
        case Measured():
            return np.asarray(array(node.id), dtype=np.float64)
        case Number():
            return np.float64(node.value)
        case Named():
            return on_arrays(node.node, array)
        case Positive():
            value = np.asarray(on_arrays(node.node, array), dtype=np.float64)
            return np.where(value > 0, value, np.nan)
        case Operation():
            left, right = on_arrays(node.left, array), on_arrays(node.right, array)
            match node.operator:
                case "+":
                    return left + right
                case "-":
                    return left - right
                case "*":
                    return left * right
                case "/":
                    shape = np.broadcast(left, right).shape
                    return np.divide(left, right, out=np.full(shape, np.nan), where=np.asarray(right) != 0)
        case _:
            raise TypeError(f"not a metric node: {node!r}")


def formula(node: Node) -> str:
    """The tree as text, by the ids of its parts.

    >>> formula((Measured("a") - Measured("b")) / Measured("a"))
    '(a - b) / a'
    """
    match node:
        case Measured() | Named():
            return node.id
        case Number():
            return f"{node.value:,}"
        case Positive():
            return formula(node.node)
        case Operation():
            left, right = formula(node.left), formula(node.right)
            if node.operator in "*/":
                left = f"({left})" if _is_sum(node.left) else left
                right = f"({right})" if isinstance(_inside(node.right), Operation) else right
            elif node.operator == "-" and _is_sum(node.right):
                right = f"({right})"
            return f"{left} {node.operator} {right}"
        case _:
            raise TypeError(f"not a metric node: {node!r}")


def _inside(node: Node) -> Node:
    return _inside(node.node) if isinstance(node, Positive) else node


def _is_sum(node: Node) -> bool:
    node = _inside(node)
    return isinstance(node, Operation) and node.operator in "+-"
