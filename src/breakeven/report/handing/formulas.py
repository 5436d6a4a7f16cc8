"""A metric tree as a spreadsheet formula: the fourth evaluator of the one definition.

An absent value is an empty cell, and what needs it is empty too: a spreadsheet would take an empty cell for
zero, so each formula first counts its inputs. Ratios keep the rule of the trees: nothing is divided by zero.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from breakeven.account.metrics import Measured, Named, Node, Number, Operation, Positive


@dataclass(frozen=True)
class Ref:
    """One cell; rows and columns count from 0. `sheet` is empty for the sheet the formula stands on.

    >>> str(Ref(4, 1)), str(Ref(4, 27, "Income")), str(Ref(0, 0, "损益表"))
    ('B5', "'Income'!AB5", "'损益表'!A1")
    """

    row: int
    column: int
    sheet: str = ""

    def __str__(self) -> str:
        return self._prefix + self._address

    @property
    def _address(self) -> str:
        letters, number = "", self.column + 1
        while number:
            number, letter = divmod(number - 1, 26)
            letters = chr(ord("A") + letter) + letters
        return f"{letters}{self.row + 1}"

    @property
    def _prefix(self) -> str:
        return "'" + self.sheet.replace("'", "''") + "'!" if self.sheet else ""

    def to(self, last: Ref) -> str:
        """The range from this cell to another one."""
        return str(self) if last == self else f"{self}:{last._address}"


def bound(node: Node, has_cell: Callable[[str], bool]) -> Node:
    """The tree cut off at the named metrics that have a cell of their own: those are read, not repeated."""
    match node:
        case Named():
            return Measured(node.id) if has_cell(node.id) else bound(node.node, has_cell)
        case Positive():
            return Positive(bound(node.node, has_cell))
        case Operation():
            return Operation(node.operator, bound(node.left, has_cell), bound(node.right, has_cell))
        case _:
            return node


def as_formula(node: Node, cell: Callable[[str], Ref]) -> str:
    """The tree over cells; empty where an input is empty or a denominator is zero.

    >>> at = {"a": Ref(2, 1), "b": Ref(3, 1), "c": Ref(9, 1)}.__getitem__
    >>> as_formula(Measured("a") + Measured("b"), at)
    '=IF(COUNT(B3:B4)<2,"",SUM(B3:B4))'
    >>> as_formula((Measured("a") - Measured("c")) / Measured("c"), at)
    '=IF(COUNT(B3,B10)<2,"",IF(B10=0,"",(B3-B10)/B10))'
    """
    writer = _Writer(cell)
    text = writer.write(node)
    if writer.guards:
        guard = writer.guards[0] if len(writer.guards) == 1 else f"OR({','.join(writer.guards)})"
        text = f'IF({guard},"",{text})'
    return f"={_counted(writer.cells, text)}"


def copy_of(cell: Ref) -> str:
    """The same figure as another cell; empty where that one is empty.

    >>> copy_of(Ref(4, 1))
    '=IF(COUNT(B5)<1,"",B5)'
    """
    return f"={_counted([cell], str(cell))}"


def sum_of(cells: Sequence[Ref]) -> str:
    """The sum of cells, empty when one of them is.

    >>> sum_of([Ref(1, 1), Ref(1, 2), Ref(1, 3)])
    '=IF(COUNT(B2:D2)<3,"",SUM(B2:D2))'
    """
    return f"={_counted(cells, f'SUM({_ranges(cells)})')}"


def _counted(cells: Sequence[Ref], text: str) -> str:
    each = list(dict.fromkeys(cells))
    return f'IF(COUNT({_ranges(each)})<{len(each)},"",{text})'


@dataclass
class _Writer:
    cell: Callable[[str], Ref]
    cells: list[Ref] = field(default_factory=list[Ref])
    guards: list[str] = field(default_factory=list[str])

    def write(self, node: Node) -> str:
        match node:
            case Measured() | Named():
                found = self.cell(node.id)
                self.cells.append(found)
                return str(found)
            case Number():
                return f"{node.value.normalize():f}"
            case Positive():
                text = self.write(node.node)
                self._guard(f"{text}<=0")
                return text
            case Operation():
                return self._operation(node)
            case _:
                raise TypeError(f"not a metric node: {node!r}")

    def _operation(self, node: Operation) -> str:
        terms = _terms(node)
        if len(terms) > 1 and all(isinstance(term, Measured | Named) for term in terms):
            found = [self.cell(term.id) for term in terms if isinstance(term, Measured | Named)]
            self.cells += found
            return f"SUM({_ranges(found)})"
        left, right = self.write(node.left), self.write(node.right)
        if node.operator in "*/":
            left = f"({left})" if _is_open(node.left, left) else left
        if node.operator != "+":
            simple = isinstance(_inside(node.right), Measured | Named | Number) or right.startswith("SUM(")
            right = right if simple else f"({right})"
        if node.operator == "/" and not isinstance(node.right, Positive):
            self._guard(f"{right}=0")
        return f"{left}{node.operator}{right}"

    def _guard(self, text: str) -> None:
        if text not in self.guards:
            self.guards.append(text)


def _terms(node: Node) -> list[Node]:
    """The summands of a chain of additions; a node that is no addition alone."""
    if isinstance(node, Operation) and node.operator == "+":
        return _terms(node.left) + _terms(node.right)
    return [node]


def _inside(node: Node) -> Node:
    return _inside(node.node) if isinstance(node, Positive) else node


def _is_open(node: Node, text: str) -> bool:
    """Whether a text is a sum or difference that a product would tear apart."""
    inner = _inside(node)
    return isinstance(inner, Operation) and inner.operator in "+-" and not text.startswith("SUM(")


def _ranges(cells: Sequence[Ref]) -> str:
    """Cells as an argument list; neighbours down a column or along a row as a range."""
    parts: list[str] = []
    start = 0
    while start < len(cells):
        down, along = _run(cells, start, 1, 0), _run(cells, start, 0, 1)
        end = max(down, along)
        parts.append(cells[start].to(cells[end]))
        start = end + 1
    return ",".join(parts)


def _run(cells: Sequence[Ref], start: int, rows: int, columns: int) -> int:
    end = start
    while end + 1 < len(cells):
        here, after = cells[end], cells[end + 1]
        if after != Ref(here.row + rows, here.column + columns, here.sheet):
            break
        end += 1
    return end
