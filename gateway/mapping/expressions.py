"""JMESPath expressions, parsed once and turned into closures, and evaluated within bounds.

An expression never raises: what it cannot do is an `ExpressionFailed`, without any value of the document in its text.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, cast

import jmespath
from jmespath.exceptions import JMESPathError, JMESPathTypeError

from gateway.core.values import dataclass
from gateway.mapping.bounds import OutOfBounds, Spent
from gateway.mapping.functions import ProfileFunctions, Tables
from gateway.mapping.steps import Node, Step, StepMaker, children_of, nodes_in

if TYPE_CHECKING:
    from gateway.core.parties import Json

LONGEST = 16_000


@dataclass(frozen=True, slots=True)
class ExpressionFailed:
    """`detail` names the kind of failure, never a value; what ran out of bounds has a word of `Bound`."""

    detail: str


@dataclass(frozen=True, slots=True)
class NotAnExpression:
    """Why a text cannot be compiled."""

    what: str


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression; `_weight` is how many nodes it has."""

    text: str
    _run: Step
    _weight: int

    def of(self, document: Json) -> Json | ExpressionFailed:
        """The value of the expression for `document`, sharing its parts, and no larger than `bounds` allow."""
        spent = Spent(self._weight)
        try:
            made = self._run(document, spent)
            spent.walk(made)
            return cast("Json", made)
        except OutOfBounds as out:
            return ExpressionFailed(out.bound.value)
        except JMESPathTypeError as error:
            return ExpressionFailed(f"{error.function_name}() was given a {error.actual_type}")
        except Exception as error:  # noqa: BLE001 - an expression is foreign code: whatever it does wrong is its own
            return ExpressionFailed(type(error).__name__)


def compile_expression(text: str, tables: Tables) -> Expression | NotAnExpression:
    """`text` compiled, with its functions and tables checked to exist."""
    if len(text) > LONGEST:
        return NotAnExpression(f"longer than {LONGEST} characters: give kinds of events their own")
    try:
        return _compile(text, tables)
    except JMESPathError as error:
        said, place = str(error).partition("\n")[0].rstrip(": "), getattr(error, "lex_position", 0)
        return NotAnExpression(f"{said}: look at line {text.count(chr(10), 0, place) + 1} of it")
    except RecursionError:
        return NotAnExpression("nested too deep: write it with fewer brackets and operators")


def _compile(text: str, tables: Tables) -> Expression | NotAnExpression:
    root = cast("Node", jmespath.compile(text).parsed)
    functions = ProfileFunctions(tables)
    nodes = list(nodes_in(root))
    for node in nodes:
        wrong = _find_wrong_call(node, functions, tables)
        if wrong is not None:
            return NotAnExpression(wrong)
    return Expression(text, StepMaker(functions).step(root), len(nodes))


def _find_wrong_call(node: Node, functions: ProfileFunctions, tables: Tables) -> str | None:
    if node["type"] != "function_expression":
        return None
    name, arguments = cast("str", node["value"]), children_of(node)
    if name not in functions.FUNCTION_TABLE:
        return f"unknown function {name}(){_nearest(name, functions)}"
    signature = functions.FUNCTION_TABLE[name]["signature"]
    variadic = bool(signature and signature[-1].get("variadic"))
    if len(arguments) < len(signature) or (len(arguments) > len(signature) and not variadic):
        return f"{name}() takes {len(signature)} arguments{' or more' if variadic else ''}, not {len(arguments)}"
    if name == "code" and (arguments[0]["type"] != "literal" or arguments[0]["value"] not in tables):
        return "code() takes the name of a table of this profile, in single quotes, first"
    return None


def _nearest(name: str, functions: ProfileFunctions) -> str:
    near = get_close_matches(name, functions.FUNCTION_TABLE, 1, cutoff=0.7)
    return f": did you mean {near[0]}()?" if near else ": there are JMESPath's own and those of docs/brands.md"
