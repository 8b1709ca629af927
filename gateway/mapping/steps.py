"""JMESPath's syntax trees as closures: the library's meaning, a third of its time, and within bounds.

What runs once in an evaluation is paid for by the size of the expression; what runs for each element of a list, where
the list is known; what copies, writes out or compares, by what that costs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeAlias, cast

from jmespath.functions import REVERSE_TYPES_MAP
from jmespath.visitor import TreeInterpreter

if TYPE_CHECKING:
    from gateway.mapping.bounds import Spent
    from gateway.mapping.functions import ProfileFunctions

Node: TypeAlias = dict[str, object]
Step: TypeAlias = Callable[[object, "Spent"], object]


def nodes_in(node: Node) -> Iterator[Node]:
    """`node` and all below it."""
    yield node
    for child in children_of(node):
        yield from nodes_in(child)


def children_of(node: Node) -> list[Node]:
    """The nodes right below; a slice has numbers there."""
    children = cast("list[object]", node.get("children", []))
    return [cast("Node", child) for child in children if isinstance(child, dict)]


def weight_of(node: Node) -> int:
    """How many nodes one evaluation of `node` visits at most, without what it repeats."""
    return sum(1 for _ in nodes_in(node))


def _is_false(value: object) -> bool:
    return value is None or value is False or value in ("", [], {})


def _has_order(value: object) -> bool:
    return isinstance(value, int | float | str) and not isinstance(value, bool)


class _Expression:
    """What `&expression` is to a function: called as the library's own, and named like it, since it goes by names."""

    __slots__ = ("_run", "_spent", "expression", "weight")

    def __init__(self, run: Step, weight: int, spent: Spent) -> None:
        self._run = run
        self._spent = spent
        self.weight = weight
        self.expression = None

    def visit(self, _: None, value: object) -> object:
        return self._run(value, self._spent)


class StepMaker:
    """Makes the step of any node."""

    def __init__(self, functions: ProfileFunctions) -> None:
        self._functions = functions

    def step(self, node: Node) -> Step:
        make = cast("Callable[[Node], Step]", getattr(self, f"_{node['type']}"))
        return make(node)

    def _steps(self, node: Node) -> list[Step]:
        return [self.step(child) for child in children_of(node)]

    def _field(self, node: Node) -> Step:
        name = cast("str", node["value"])
        return lambda value, _: value.get(name) if isinstance(value, dict) else None

    def _literal(self, node: Node) -> Step:
        literal = node["value"]
        return lambda _value, _spent: literal

    def _current(self, _: Node) -> Step:
        return lambda value, _: value

    _identity = _current

    def _index(self, node: Node) -> Step:
        index = cast("int", node["value"])

        def step(value: object, _: Spent) -> object:
            if not isinstance(value, list) or not -len(value) <= index < len(value):
                return None
            return value[index]

        return step

    def _slice(self, node: Node) -> Step:
        part = slice(*cast("list[int | None]", node["children"]))

        def step(value: object, spent: Spent) -> object:
            if not isinstance(value, list):
                return None
            spent.visit(len(value))
            return value[part]

        return step

    def _subexpression(self, node: Node) -> Step:
        steps = self._steps(node)
        if len(steps) == 2:
            first, second = steps
            return lambda value, spent: second(first(value, spent), spent)

        def step(value: object, spent: Spent) -> object:
            for one in steps:
                value = one(value, spent)
            return value

        return step

    _pipe = _index_expression = _subexpression

    def _or_expression(self, node: Node) -> Step:
        first, second = self._steps(node)

        def step(value: object, spent: Spent) -> object:
            found = first(value, spent)
            return second(value, spent) if _is_false(found) else found

        return step

    def _and_expression(self, node: Node) -> Step:
        first, second = self._steps(node)

        def step(value: object, spent: Spent) -> object:
            found = first(value, spent)
            return found if _is_false(found) else second(value, spent)

        return step

    def _not_expression(self, node: Node) -> Step:
        (negated,) = self._steps(node)

        def step(value: object, spent: Spent) -> object:
            found = negated(value, spent)
            # Zero is something, to JMESPath.
            return not found and (isinstance(found, bool) or not isinstance(found, int | float))

        return step

    def _comparator(self, node: Node) -> Step:
        left, right = self._steps(node)
        name = cast("str", node["value"])
        compare = cast("Callable[[object, object], object]", TreeInterpreter.COMPARATOR_FUNC[name])
        is_order = name not in {"eq", "ne"}

        def step(value: object, spent: Spent) -> object:
            one, other = left(value, spent), right(value, spent)
            if is_order and not (_has_order(one) and _has_order(other)):
                return None
            if isinstance(one, str | list | dict):
                spent.walk([one, other])
            return compare(one, other)

        return step

    def _key_val_pair(self, node: Node) -> Step:
        (member,) = self._steps(node)
        return member

    def _multi_select_dict(self, node: Node) -> Step:
        members = [(cast("str", child["value"]), self.step(child)) for child in children_of(node)]

        def step(value: object, spent: Spent) -> object:
            return None if value is None else {name: member(value, spent) for name, member in members}

        return step

    def _multi_select_list(self, node: Node) -> Step:
        members = self._steps(node)
        return lambda value, spent: None if value is None else [member(value, spent) for member in members]

    def _projection(self, node: Node) -> Step:
        source, each = self._steps(node)
        weight = weight_of(children_of(node)[1])

        def step(value: object, spent: Spent) -> object:
            elements = source(value, spent)
            if not isinstance(elements, list):
                return None
            spent.visit(weight * len(elements))
            return [made for element in elements if (made := each(element, spent)) is not None]

        return step

    def _value_projection(self, node: Node) -> Step:
        source, each = self._steps(node)
        weight = weight_of(children_of(node)[1])

        def step(value: object, spent: Spent) -> object:
            members = source(value, spent)
            if not isinstance(members, dict):
                return None
            spent.visit(weight * len(members))
            return [made for member in members.values() if (made := each(member, spent)) is not None]

        return step

    def _filter_projection(self, node: Node) -> Step:
        source, each, condition = self._steps(node)
        weight = weight_of(node)

        def step(value: object, spent: Spent) -> object:
            elements = source(value, spent)
            if not isinstance(elements, list):
                return None
            spent.visit(weight * len(elements))
            kept = (element for element in elements if not _is_false(condition(element, spent)))
            return [made for element in kept if (made := each(element, spent)) is not None]

        return step

    def _flatten(self, node: Node) -> Step:
        (source,) = self._steps(node)

        def step(value: object, spent: Spent) -> object:
            elements = source(value, spent)
            if not isinstance(elements, list):
                return None
            spent.visit(sum(len(one) if isinstance(one, list) else 1 for one in elements))
            return [each for one in elements for each in (one if isinstance(one, list) else (one,))]

        return step

    def _expref(self, node: Node) -> Step:
        (run,) = self._steps(node)
        weight = weight_of(node)
        return lambda _, spent: _Expression(run, weight, spent)

    def _function_expression(self, node: Node) -> Step:
        name, arguments = cast("str", node["value"]), self._steps(node)
        call, charge = self._caller(name), _charge_of(name)

        def step(value: object, spent: Spent) -> object:
            given = [argument(value, spent) for argument in arguments]
            charge(given, spent)
            made = call(given)
            if isinstance(made, str):
                spent.produce(len(made))
            return made

        return step

    def _caller(self, name: str) -> Callable[[list[object]], object]:
        """The function with its arguments' types looked up beforehand; what is wrong is left to the library to say."""
        functions = self._functions
        function = functions.FUNCTION_TABLE[name]["function"]
        wanted = [one["types"] for one in functions.FUNCTION_TABLE[name]["signature"]]
        if any("-" in kind for kinds in wanted for kind in kinds):
            return lambda given: functions.call_function(name, given)
        allowed = [
            (position, frozenset(word for kind in kinds for word in REVERSE_TYPES_MAP[kind]))
            for position, kinds in enumerate(wanted)
            if kinds
        ]

        def call(given: list[object]) -> object:
            for position, words in allowed:
                if type(given[position]).__name__ not in words:
                    return functions.call_function(name, given)
            return function(functions, *given)

        return call


def _charge_of(name: str) -> Callable[[list[object], Spent], None]:
    """What a call costs besides the nodes of its arguments, by what the function does with them."""
    if name in _WALKING:
        return _walk
    return _repeat if name in _REPEATING else _look


# They write out, or compare, all that they are given.
_WALKING = frozenset({"to_string", "contains", "join"})
_REPEATING = frozenset({"map", "sort_by", "min_by", "max_by"})


def _walk(given: list[object], spent: Spent) -> None:
    spent.walk(given)


def _repeat(given: list[object], spent: Spent) -> None:
    """One evaluation of the expression for each element; it stands first or second."""
    elements = next((len(one) for one in given if isinstance(one, list)), 0)
    weight = next((one.weight for one in given if isinstance(one, _Expression)), 0)
    spent.visit(weight * elements)


def _look(given: list[object], spent: Spent) -> None:
    for one in given:
        if isinstance(one, list | dict):
            spent.visit(len(one))
