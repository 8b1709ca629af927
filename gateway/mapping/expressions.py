"""JMESPath expressions, parsed once and turned into closures: the same meaning, a third of the time.

An expression never raises: what it cannot do is an `ExpressionFailed`, without any value of the document in its text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeAlias, cast

import jmespath
from jmespath.exceptions import JMESPathError, JMESPathTypeError
from jmespath.visitor import Options, TreeInterpreter

from gateway.core.values import dataclass
from gateway.mapping.functions import ProfileFunctions, Tables

if TYPE_CHECKING:
    from gateway.core.parties import Json

LONGEST = 16_000

Node: TypeAlias = dict[str, object]
Step: TypeAlias = Callable[[object], object]


@dataclass(frozen=True, slots=True)
class ExpressionFailed:
    """`detail` names the kind of failure, never a value."""

    detail: str


@dataclass(frozen=True, slots=True)
class NotAnExpression:
    """Why a text cannot be compiled."""

    what: str


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression."""

    text: str
    _run: Step

    def of(self, document: Json) -> Json | ExpressionFailed:
        """The value of the expression for `document`, sharing its parts."""
        try:
            return cast("Json", self._run(document))
        except JMESPathTypeError as error:
            return ExpressionFailed(f"{error.function_name}() was given a {error.actual_type}")
        except Exception as error:  # noqa: BLE001 - an expression is foreign code: whatever it does wrong is its own
            return ExpressionFailed(type(error).__name__)


def compile_expression(text: str, tables: Tables) -> Expression | NotAnExpression:
    """`text` compiled, with its functions and tables checked to exist."""
    if len(text) > LONGEST:
        return NotAnExpression(f"longer than {LONGEST} characters")
    try:
        return _compile(text, tables)
    except JMESPathError as error:
        return NotAnExpression(str(error).partition("\n")[0])
    except RecursionError:
        return NotAnExpression("nested too deep")


def _compile(text: str, tables: Tables) -> Expression | NotAnExpression:
    root = cast("Node", jmespath.compile(text).parsed)
    functions = ProfileFunctions(tables)
    for node in _nodes(root):
        wrong = _find_wrong_call(node, functions, tables)
        if wrong is not None:
            return NotAnExpression(wrong)
    return Expression(text, _Compiler(functions).step(root))


def _nodes(node: Node) -> Iterator[Node]:
    yield node
    for child in _children(node):
        yield from _nodes(child)


def _children(node: Node) -> list[Node]:
    children = cast("list[object]", node.get("children", []))
    return [cast("Node", child) for child in children if isinstance(child, dict)]


def _find_wrong_call(node: Node, functions: ProfileFunctions, tables: Tables) -> str | None:
    if node["type"] != "function_expression":
        return None
    name, arguments = cast("str", node["value"]), _children(node)
    if name not in functions.FUNCTION_TABLE:
        return f"unknown function {name}()"
    signature = functions.FUNCTION_TABLE[name]["signature"]
    variadic = bool(signature and signature[-1].get("variadic"))
    if len(arguments) < len(signature) or (len(arguments) > len(signature) and not variadic):
        return f"{name}() takes {len(signature)} arguments{' or more' if variadic else ''}, not {len(arguments)}"
    if name == "code" and (arguments[0]["type"] != "literal" or arguments[0]["value"] not in tables):
        return "code() takes the name of a table of this profile, in single quotes, first"
    return None


def _is_false(value: object) -> bool:
    return value is None or value is False or value in ("", [], {})


class _Compiler:
    """Turns nodes into closures; what is rare is left to the library's own interpreter."""

    def __init__(self, functions: ProfileFunctions) -> None:
        self._functions = functions
        self._interpreter = TreeInterpreter(Options(custom_functions=functions))

    def step(self, node: Node) -> Step:
        make = getattr(self, f"_{node['type']}", None)
        if make is None:
            return self._interpreted(node)
        return cast("Step", make(node))

    def _interpreted(self, node: Node) -> Step:
        visit = cast("Callable[[Node, object], object]", self._interpreter.visit)
        return lambda value: visit(node, value)

    def _steps(self, node: Node) -> list[Step]:
        return [self.step(child) for child in _children(node)]

    def _field(self, node: Node) -> Step:
        name = cast("str", node["value"])
        return lambda value: value.get(name) if isinstance(value, dict) else None

    def _literal(self, node: Node) -> Step:
        literal = node["value"]
        return lambda _: literal

    def _current(self, _: Node) -> Step:
        return lambda value: value

    _identity = _current

    def _index(self, node: Node) -> Step:
        index = cast("int", node["value"])

        def step(value: object) -> object:
            if not isinstance(value, list) or not -len(value) <= index < len(value):
                return None
            return value[index]

        return step

    def _subexpression(self, node: Node) -> Step:
        steps = self._steps(node)
        if len(steps) == 2:
            first, second = steps
            return lambda value: second(first(value))

        def step(value: object) -> object:
            for one in steps:
                value = one(value)
            return value

        return step

    _pipe = _index_expression = _subexpression

    def _or_expression(self, node: Node) -> Step:
        first, second = self._steps(node)

        def step(value: object) -> object:
            found = first(value)
            return second(value) if _is_false(found) else found

        return step

    def _and_expression(self, node: Node) -> Step:
        first, second = self._steps(node)

        def step(value: object) -> object:
            found = first(value)
            return found if _is_false(found) else second(value)

        return step

    def _multi_select_dict(self, node: Node) -> Step:
        members = [(cast("str", child["value"]), self.step(_children(child)[0])) for child in _children(node)]

        def step(value: object) -> object:
            return None if value is None else {name: member(value) for name, member in members}

        return step

    def _multi_select_list(self, node: Node) -> Step:
        members = self._steps(node)
        return lambda value: None if value is None else [member(value) for member in members]

    def _projection(self, node: Node) -> Step:
        source, each = self._steps(node)

        def step(value: object) -> object:
            elements = source(value)
            if not isinstance(elements, list):
                return None
            return [made for element in elements if (made := each(element)) is not None]

        return step

    def _function_expression(self, node: Node) -> Step:
        name, arguments, call = cast("str", node["value"]), self._steps(node), self._functions.call_function
        return lambda value: call(name, [argument(value) for argument in arguments])
