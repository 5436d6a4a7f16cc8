"""Every text of a failure or a rejected row, found in the source: what a reader may meet, with `{0}` holes.

The scan starts at the arguments that people read (`what`, `cause`, `remedy`, `reason`), follows variables,
conditional expressions, concatenation and helpers that only pass texts on, and gives the templates that can
come out. What is computed elsewhere is a hole.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import product
from pathlib import Path

HOLE = "\0"
SEEDS = {
    "Cell": {"reason": 2, "remedy": 3},
    "Rule": {"reason": 2, "remedy": 3},
    "Problem": {"reason": None, "remedy": None},
}
FAILURE = {"what": 0, "cause": None, "remedy": None}
CLICK = {"UsageError", "BadParameter", "ClickException", "BadOptionUsage", "BadArgumentUsage"}
Speakers = dict[str, dict[str, int | None]]
Function = ast.FunctionDef | ast.Lambda


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
        self.failures = set(_failures(self.modules))
        self.methods: Speakers = {}
        self.local: dict[Path, Speakers] = {}
        self.found: dict[str, str] = {}
        self.open: set[str] = set()
        size = -1
        while size != (size := sum(map(len, [*self.local.values(), self.methods]))):
            self.found.clear()  # a helper found late makes its callers speak too
            for module in self.modules:
                self._module(module)

    def _module(self, module: Module) -> None:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call) and not _has_chinese(ast.unparse(node)):
                for argument in self._spoken(module, node):
                    self._note(module, node, argument)
            if module.path.name == "tables.py" and isinstance(node, ast.Tuple) and len(node.elts) == 4:
                if " " in ast.unparse(node.elts[2]):
                    for part in node.elts[2:]:
                        self._note(module, node, part)

    def _note(self, module: Module, node: ast.AST, argument: ast.expr) -> None:
        texts = self._texts(module, module.around[node], argument)
        if any(map(_has_chinese, texts)):
            return  # said in both languages where it is written
        for text in texts:
            if any(letter.isalpha() for letter in text.replace(HOLE, "")):
                self.found.setdefault(numbered(text), f"{module.path.name}:{argument.lineno}")

    def _spoken(self, module: Module, call: ast.Call) -> Iterator[ast.expr]:
        """The arguments of a call that people read."""
        function = call.func
        if isinstance(function, ast.Name):
            known = self.local.get(module.path, {}).get(function.id) or SEEDS.get(function.id)
            known = FAILURE if function.id in self.failures else known
        elif isinstance(function, ast.Attribute):
            known = self.methods.get(function.attr)
            if isinstance(function.value, ast.Name) and function.value.id == "click":
                known = {"message": 0} if function.attr in CLICK else None
            elif function.attr in self.failures:
                known = FAILURE
        else:
            return
        for name, place in (known or {}).items():
            if place is not None and place < len(call.args):
                yield call.args[place]
            yield from (keyword.value for keyword in call.keywords if keyword.arg == name)

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
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in module.functions:
            return self._returned(module, module.functions[node.func.id])
        if isinstance(node, ast.Name) and node.id not in self.open:
            self.open.add(node.id)
            texts = self._named(module, inside, node.id)
            self.open.remove(node.id)
            return texts
        return {HOLE}

    def _part(self, module: Module, inside: list[ast.FunctionDef], part: ast.expr) -> set[str]:
        """A literal piece of an f-string, or what is put in: words where they are chosen here, else a hole."""
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
                if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
                    if node.target.id == name:
                        added = self._texts(module, inside[depth:], node.value)
                        texts |= {before + after for before in texts for after in added}
            if texts:
                return texts
        if name in module.constants:
            return self._texts(module, [], module.constants[name])
        return {HOLE}

    def _speaks(self, module: Module, function: ast.FunctionDef, name: str, parameters: list[str]) -> None:
        """A function that passes a parameter on to people is itself one whose argument people read."""
        method = function in module.methods
        speakers = self.methods if method else self.local.setdefault(module.path, {})
        place = parameters.index(name) - method if name in parameters else None
        speakers.setdefault(function.name, {})[name] = place


def _parameters(inside: list[ast.FunctionDef]) -> set[str]:
    arguments = [argument for function in inside for argument in ast.walk(function.args)]
    return {argument.arg for argument in arguments if isinstance(argument, ast.arg)}


def _has_chinese(text: str) -> bool:
    return any("\u4e00" <= letter <= "\u9fff" for letter in text)


def _failures(modules: list[Module]) -> Iterator[str]:
    known = {"BreakevenError"}
    yield "BreakevenError"
    for _ in range(3):
        for module in modules:
            for node in ast.walk(module.tree):
                if isinstance(node, ast.ClassDef) and known & {ast.unparse(base).split(".")[-1] for base in node.bases}:
                    known.add(node.name)
                    yield node.name


def numbered(text: str) -> str:
    """A text whose holes are numbered from 0, as the catalogue writes them."""
    pieces = text.split(HOLE)
    return pieces[0] + "".join(f"{{{i}}}{piece}" for i, piece in enumerate(pieces[1:]))


@cache
def messages() -> dict[str, str]:
    """All templates of the package, each with the place where it is written."""
    import breakeven

    return Scan(Path(breakeven.__file__).parent).found
