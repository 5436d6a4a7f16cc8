"""Every text of a failure or a rejected row, found in the source: what a reader may meet, with `{0}` holes.

The scan starts at the arguments that people read (`what`, `cause`, `remedy`, `reason`), follows variables,
conditional expressions, concatenation and helpers that only pass texts on, and gives the templates that can
come out. What is computed elsewhere is a hole.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import product
from pathlib import Path

HOLE = "\0"
FAILURE = {("what", 0), ("cause", None), ("remedy", None)}
REJECTION = {("reason", 2), ("remedy", 3)}
ROW_TYPES = ("Cell", "Rule", "Check")
CLICK = {"UsageError", "BadParameter", "ClickException", "BadOptionUsage", "BadArgumentUsage"}
Speakers = dict[str, set[tuple[str, int | None]]]
"""Names of callables with their arguments that people read: keyword, and place if it may be positional."""


class Module:
    """One file: its functions, constants and, for every node, the functions around it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tree = ast.parse(path.read_text("utf-8"))
        self.around: dict[ast.AST, list[ast.FunctionDef]] = {}
        self.functions: dict[str, ast.FunctionDef] = {}
        self.methods: set[ast.FunctionDef] = set()
        self._walk(self.tree, [])
        self.constants = dict(_assigned(self.tree.body))

    def _walk(self, node: ast.AST, inside: list[ast.FunctionDef]) -> None:
        for child in ast.iter_child_nodes(node):
            self.around[child] = inside
            if isinstance(child, ast.FunctionDef):
                self.functions[child.name] = child
                if isinstance(node, ast.ClassDef):
                    self.methods.add(child)
                self._walk(child, [child, *inside])
            else:
                self._walk(child, inside)


def _assigned(body: Iterable[ast.stmt]) -> Iterator[tuple[str, ast.expr]]:
    for statement in body:
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            yield statement.targets[0].id, statement.value


class Scan:
    """Templates of a source tree; `found` tells for each where it was met first."""

    def __init__(self, root: Path) -> None:
        self.modules = [Module(path) for path in sorted(root.rglob("*.py"))]
        self.failures = _failures(self.modules)
        self.speakers: dict[Path, Speakers] = {module.path: {} for module in self.modules}
        self.found: dict[str, str] = {}
        self.open: set[str] = set()
        count = -1
        while count != (count := self._count()):
            self.found.clear()  # a helper found late makes its callers speak too
            for module in self.modules:
                self._module(module)

    def _count(self) -> int:
        return sum(len(told) for known in self.speakers.values() for told in known.values())

    def _module(self, module: Module) -> None:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call):
                arguments = list(self._spoken(module, node))
                if arguments and not _has_chinese(ast.unparse(node)):
                    for argument in arguments:
                        self._note(module, node, argument)
            elif isinstance(node, (ast.Constant, ast.JoinedStr)):
                self._sql(module, node)
            elif isinstance(node, ast.Tuple) and module.path.name == "tables.py" and _is_rule(node):
                self._note(module, node, node.elts[2])
                self._note(module, node, node.elts[3])

    def _note(self, module: Module, node: ast.AST, argument: ast.expr) -> None:
        texts = self._texts(module, module.around[node], argument)
        if any(map(_has_chinese, texts)):
            return  # said in both languages where it is written
        for text in texts:
            if _says_something(text):
                self.found.setdefault(numbered(text), f"{module.path.name}:{argument.lineno}")

    def _sql(self, module: Module, node: ast.expr) -> None:
        """Reasons and remedies in a query: `reason = '...'`, and the outcomes of `CASE ... AS reason`."""
        pieces = (part.value for part in ast.walk(node) if isinstance(part, ast.Constant))
        if not any("reason" in piece for piece in pieces if isinstance(piece, str)):
            return
        for text in self._texts(module, module.around.get(node, []), node):
            found = re.findall(r"(?:reason|remedy) = '([^']*)'", text)
            for case in re.findall(r"CASE (?:(?!CASE ).)*?\bEND AS (?:reason|remedy)", text, re.DOTALL):
                outcomes = re.findall(r"\b(?:THEN|ELSE)\b(.*?)(?=\b(?:WHEN|ELSE|END)\b)", case, re.DOTALL)
                found += [_sql_text(outcome) for outcome in outcomes]
            for message in found:
                if _says_something(message):
                    self.found.setdefault(numbered(message), f"{module.path.name}:{node.lineno}")

    def _spoken(self, module: Module, call: ast.Call) -> Iterator[ast.expr]:
        """The arguments of a call that people read."""
        yield from (keyword.value for keyword in call.keywords if keyword.arg == "skipped_as")
        function = call.func
        if isinstance(function, ast.Name):
            known = self.speakers[module.path].get(function.id)
            if function.id in self.failures or function.id in ROW_TYPES:
                known = FAILURE if function.id in self.failures else REJECTION
        elif isinstance(function, ast.Attribute):
            known = self._method(module, function.attr)
            if isinstance(function.value, ast.Name) and function.value.id == "click":
                known = {("message", 0)} if function.attr in CLICK else None
            elif function.attr in self.failures:
                known = FAILURE
        else:
            return
        for name, place in known or ():
            if place is not None and place < len(call.args):
                yield call.args[place]
            yield from (keyword.value for keyword in call.keywords if keyword.arg == name)

    def _method(self, module: Module, name: str) -> set[tuple[str, int | None]]:
        """What a method says: the one of this file, else those of that name anywhere."""
        own = name in {method.name for method in module.methods}
        homes = [module] if own else [home for home in self.modules if name in {m.name for m in home.methods}]
        return set().union(*(self.speakers[home.path].get(name, set()) for home in homes))

    def _texts(self, module: Module, inside: list[ast.FunctionDef], node: ast.expr | None) -> set[str]:
        """The texts an expression may be, with a hole where it cannot be told."""
        if isinstance(node, ast.Constant):
            return {node.value} if isinstance(node.value, str) else {HOLE}
        if isinstance(node, ast.JoinedStr):
            parts = [self._part(module, inside, part) for part in node.values]
            return {"".join(chosen) for chosen in product(*parts)}
        if isinstance(node, ast.IfExp):
            return self._texts(module, inside, node.body) | self._texts(module, inside, node.orelse)
        if isinstance(node, ast.BoolOp):
            return set().union(*(self._texts(module, inside, value) for value in node.values))
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            sides = (self._texts(module, inside, node.left), self._texts(module, inside, node.right))
            return {"".join(chosen) for chosen in product(*sides)}
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice):
            return self._texts(module, inside, node.value)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            called = module.functions.get(node.func.id)
            return self._returned(module, called) if called else {HOLE}
        if isinstance(node, ast.Name) and node.id not in self.open:
            self.open.add(node.id)
            texts = self._named(module, inside, node.id)
            self.open.remove(node.id)
            return texts
        return {HOLE}

    def _part(self, module: Module, inside: list[ast.FunctionDef], part: ast.expr) -> set[str]:
        """A literal piece of an f-string, or what is put in: words chosen nearby, else a hole."""
        if not isinstance(part, ast.FormattedValue):
            return self._texts(module, inside, part)
        if isinstance(part.value, ast.IfExp):
            return self._texts(module, inside, part.value)
        if isinstance(part.value, ast.Name) and part.value.id not in _parameters(inside):
            texts = self._texts(module, inside, part.value)
            return texts if any(" " in text for text in texts) else {HOLE}
        return {HOLE}

    def _returned(self, module: Module, function: ast.FunctionDef) -> set[str]:
        inside = [function, *module.around[function]]
        returns = [node for node in ast.walk(function) if isinstance(node, ast.Return)]
        return set().union({HOLE}, *(self._texts(module, inside, node.value) for node in returns))

    def _named(self, module: Module, inside: list[ast.FunctionDef], name: str) -> set[str]:
        for depth, function in enumerate(inside):
            parameters = [argument.arg for argument in function.args.posonlyargs + function.args.args]
            if name in parameters or name in {argument.arg for argument in function.args.kwonlyargs}:
                self._speaks(module, function, name, parameters)
                return {HOLE}
            statements = [node for node in ast.walk(function) if isinstance(node, ast.stmt)]
            values = [value for assigned, value in _assigned(statements) if assigned == name]
            texts = set().union(*(self._texts(module, inside[depth:], value) for value in values))
            for node in statements:
                if isinstance(node, ast.AugAssign) and ast.unparse(node.target) == name:
                    added = self._texts(module, inside[depth:], node.value)
                    texts |= {before + after for before in texts for after in added}
            if texts:
                return texts
        if name in module.constants:
            return self._texts(module, [], module.constants[name])
        return {HOLE}

    def _speaks(self, module: Module, function: ast.FunctionDef, name: str, parameters: list[str]) -> None:
        """A function that passes a parameter on to people is itself one whose argument people read."""
        place = parameters.index(name) - (function in module.methods) if name in parameters else None
        self.speakers[module.path].setdefault(function.name, set()).add((name, place))


def _parameters(inside: list[ast.FunctionDef]) -> set[str]:
    arguments = [argument for function in inside for argument in ast.walk(function.args)]
    return {argument.arg for argument in arguments if isinstance(argument, ast.arg)}


def _has_chinese(text: str) -> bool:
    return any("\u4e00" <= letter <= "\u9fff" for letter in text)


def _is_rule(node: ast.Tuple) -> bool:
    """A rule of a table is (condition, field, reason, remedy); choices are single words."""
    return len(node.elts) == 4 and " " in ast.unparse(node.elts[2])


def _says_something(text: str) -> bool:
    return any(letter.isalpha() for letter in text.replace(HOLE, ""))


def _sql_text(outcome: str) -> str:
    """The text that an SQL expression of literals, `||` and one `regexp_replace` makes."""
    if "regexp_replace" in outcome:
        literals = re.findall(r"'([^']*)'", outcome)
        return re.sub(r"\\\d", HOLE, next(text for text in literals if "\\2" in text))
    pieces = [piece.strip() for piece in outcome.split("||")]
    return "".join(piece[1:-1] if piece.startswith("'") else HOLE for piece in pieces)


def _failures(modules: list[Module]) -> set[str]:
    """Names of `BreakevenError` and of the classes made from it."""
    classes = [node for module in modules for node in ast.walk(module.tree) if isinstance(node, ast.ClassDef)]
    known = {"BreakevenError"}
    for _ in range(3):  # as deep as they go
        for node in classes:
            if known & {ast.unparse(base).split(".")[-1] for base in node.bases}:
                known.add(node.name)
    return known


def numbered(text: str) -> str:
    """A text whose holes are numbered from 0, as the catalogue writes them."""
    pieces = text.split(HOLE)
    return pieces[0] + "".join(f"{{{i}}}{piece}" for i, piece in enumerate(pieces[1:]))


@cache
def messages() -> dict[str, str]:
    """All templates of the package, each with the place where it is written."""
    import breakeven

    return Scan(Path(breakeven.__file__).parent).found
