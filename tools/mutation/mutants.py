"""Mutants: small changes of a module's syntax tree, one at a time."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

BINARY = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
COMPARE = {
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.GtE),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.LtE),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
# Calls that are replaced by their argument.
DROPPED = {"conj", "_conj", "real", "negative", "abs", "sign", "matrix_transpose"}
# Calls whose arguments are not exchanged: they commute, or an exchange is no mistake of a rule.
UNSWAPPED = {"isinstance", "getattr", "equal", "not_equal", "hypot", "add", "multiply"}
UNSWAPPED |= {"logical_and", "logical_or", "logaddexp", "maximum", "minimum", "max", "min"}
UNSWAPPED |= {"result_type", "broadcast_shapes"}
# Arguments of declarers that are not rules, and keywords without an effect on results.
SKIPPED_KEYWORDS = {"samples", "errors", "numpy", "reference", "strict", "stacklevel"}
# What only makes messages better is not mutated.
SKIPPED_STATEMENTS = (ast.Raise, ast.Assert, ast.Import, ast.ImportFrom, ast.Global)


@dataclass(frozen=True)
class Mutant:
    """One change: where it is, what it reads like, and how to make it."""

    file: str
    scope: str
    line: int
    text: str
    apply: Callable[[], None]

    @property
    def key(self) -> str:
        """Name under which it is explained."""
        return f"{self.file}:{self.scope}:{self.text}"


def replacements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what a node can be replaced by."""
    match node:
        case ast.BinOp():
            yield from _binary(node)
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant()):
            return  # the constant is a mutant of its own
        case ast.UnaryOp(operand=operand):
            yield operand
        case ast.Compare(left=left, ops=[op], comparators=comparators):
            for other in COMPARE[type(op)]:
                yield ast.Compare(left, [other()], comparators)
        case ast.BoolOp(op=op, values=values):
            yield ast.BoolOp(ast.Or() if isinstance(op, ast.And) else ast.And(), values)
        case ast.Constant(value=value):
            yield from map(ast.Constant, _constants(value))
        case ast.Call():
            yield from _calls(node)
        case ast.IfExp(test=test, body=body, orelse=orelse):
            yield ast.IfExp(test, orelse, body)
        case ast.stmt():
            yield from _statements(node)


def _constants(value: object) -> list[object]:
    match value:
        case bool():
            return [not value]
        case int() | float():
            return [value + 1] if value in (0, 1) else [value + 1, value - 1]
    return []


def _statements(node: ast.stmt) -> Iterator[ast.AST]:
    match node:
        case ast.AugAssign(target=target, op=op, value=value) if type(op) in BINARY:
            yield ast.AugAssign(target, BINARY[type(op)](), value)
        case ast.Expr(value=ast.Call()):
            yield ast.Pass()
        case ast.Continue():
            yield ast.Break()


def _binary(node: ast.BinOp) -> Iterator[ast.AST]:
    op = node.op
    if type(op) in BINARY:
        yield ast.BinOp(node.left, BINARY[type(op)](), node.right)
    if isinstance(op, ast.Mult | ast.Div):
        yield node.left
    if isinstance(op, ast.Sub | ast.Div | ast.Pow | ast.MatMult):
        yield ast.BinOp(node.right, op, node.left)


def _calls(node: ast.Call) -> Iterator[ast.AST]:
    name = _called(node)
    args, keywords = node.args, node.keywords
    if name in DROPPED and len(args) == 1:
        yield args[0]
    if name in UNSWAPPED or any(isinstance(a, ast.Starred) for a in args):
        return
    for i, j in ((0, 1), (1, 2)):
        if j < len(args) and ast.dump(args[i]) != ast.dump(args[j]):
            swapped = list(args)
            swapped[i], swapped[j] = args[j], args[i]
            yield ast.Call(node.func, swapped, keywords)


def _called(node: ast.Call) -> str:
    """Name of the function that is called, also as ``FUNCTIONS["name"]``."""
    match node.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Subscript(slice=ast.Constant(value=str(name))):
            return name
    return ""


class Finder:
    """Finds the mutants of one module."""

    def __init__(self, name: str, path: Path) -> None:
        self.file = name
        self.tree = ast.parse(path.read_text(encoding="utf-8"))
        self.mutants: list[Mutant] = []
        self.seen: Counter[str] = Counter()
        for statement in self.tree.body:
            self.top(statement)

    def top(self, statement: ast.stmt) -> None:
        """Look for rules and kernels in a statement of the module."""
        match statement:
            case ast.FunctionDef(args=args):
                calls = [_called(n) for n in ast.walk(statement) if isinstance(n, ast.Call)]
                takes_maker = [a.arg for a in args.args][:1] in (["m"], ["_m"])
                if takes_maker or ({"case", "Error"} & {*calls} and not statement.decorator_list):
                    return  # samples and error cases
                self.function(statement, statement.name)
            case ast.ClassDef(body=body, name=name):
                for inner in body:
                    if isinstance(inner, ast.FunctionDef) and inner.name != "__repr__":
                        self.function(inner, f"{name}.{inner.name}")
            case ast.Assign(value=ast.Call() | ast.Dict() | ast.Lambda()):
                self.lambdas(statement, _target(statement))

    def function(self, node: ast.FunctionDef, scope: str) -> None:
        """Mutate the rules in the decorators of a function, its defaults and its body."""
        for decorator in node.decorator_list:
            self.lambdas(decorator, scope)
        for field, values in (
            ("defaults", node.args.defaults),
            ("kw_defaults", node.args.kw_defaults),
        ):
            for i, value in enumerate(values):
                if value is not None:
                    self.expression(value, scope, _setter(node.args, field, i))
        documented = ast.get_docstring(node) is not None
        for i, statement in enumerate(node.body):
            if (i or not documented) and not isinstance(statement, SKIPPED_STATEMENTS):
                self.expression(statement, scope, _setter(node, "body", i))

    def lambdas(self, node: ast.AST, scope: str) -> None:
        """Mutate only the bodies of lambdas."""
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.keyword) and child.arg in SKIPPED_KEYWORDS:
                continue
            if isinstance(child, ast.Lambda):
                self.expression(child.body, scope, _setter(child, "body"))
            else:
                self.lambdas(child, scope)

    def inside(self, node: ast.AST, scope: str) -> None:
        """Mutate every expression below a node."""
        if isinstance(node, SKIPPED_STATEMENTS):
            return
        for field, value in ast.iter_fields(node):
            if field in ("annotation", "returns", "decorator_list"):
                continue
            items = value if isinstance(value, list) else [value]
            for i, item in enumerate(items):
                if not isinstance(item, ast.AST):
                    continue
                put = _setter(node, field, i if isinstance(value, list) else None)
                if isinstance(node, ast.If | ast.While) and field == "test":
                    self.add(item, ast.UnaryOp(ast.Not(), item), scope, put)
                self.expression(item, scope, put)

    def expression(self, node: ast.AST, scope: str, put: Callable[[Any], None]) -> None:
        """Mutate a node, and what is below it."""
        if isinstance(node, ast.keyword) and node.arg in SKIPPED_KEYWORDS:
            return
        if isinstance(node, (ast.JoinedStr, *SKIPPED_STATEMENTS)):
            return
        for new in replacements(node):
            self.add(node, new, scope, put)
        self.inside(node, scope)

    def add(self, old: ast.AST, new: ast.AST, scope: str, put: Callable[[Any], None]) -> None:
        """Enter one mutant."""
        text = f"{ast.unparse(old)} -> {ast.unparse(ast.fix_missing_locations(new))}"
        text = " ".join(text.split())
        self.seen[f"{scope}:{text}"] += 1
        if (count := self.seen[f"{scope}:{text}"]) > 1:
            text += f" #{count}"
        line = getattr(old, "lineno", 0)
        self.mutants.append(Mutant(self.file, scope, line, text, lambda: put(new)))


def _target(node: ast.Assign) -> str:
    return ast.unparse(node.targets[0])


def _setter(parent: ast.AST, field: str, index: int | None = None) -> Callable[[Any], None]:
    def put(new: Any) -> None:
        if index is None:
            setattr(parent, field, new)
        else:
            getattr(parent, field)[index] = new

    return put


def sampled(mutants: list[Mutant], count: int) -> list[Mutant]:
    """Choose `count` mutants by their text, so always the same ones of the same code; 0 for all."""
    if not count:
        return mutants
    chosen = sorted(mutants, key=lambda m: crc32(m.key.encode()))[:count]
    return [m for m in mutants if m in chosen]
