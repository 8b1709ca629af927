"""What every source file keeps to, beyond what the linter can say."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.syntax import ROOT, parsed, place, sources

LONGEST_FILE = 400

BANNED_WORDS = {
    *("manager", "service", "helper", "util", "utils", "common", "base", "data", "info", "process", "handle"),
}
# Names that a framework dictates: name -> who calls it so.
DICTATED_NAMES = {
    "data_received": "asyncio's Protocol",
    "process_bind_param": "SQLAlchemy's TypeDecorator",
    "process_result_value": "SQLAlchemy's TypeDecorator",
}

# Files of tests/ that may sleep: path -> why no event could be awaited instead.
MAY_SLEEP = {
    "tests/eventually.py": "polls for what another process does, bounded in time",
}


def test_no_file_is_longer_than_a_sitting():
    long = {
        place(path): count for path in sources("gateway", "tests", "bench") if (count := lines(path)) > LONGEST_FILE
    }
    assert not long, f"split these by responsibility: {long}"


def test_every_module_says_what_it_is_responsible_for():
    silent = [place(path) for path in sources("gateway") if parsed(path).body and not ast.get_docstring(parsed(path))]
    assert not silent


def test_names_say_what_a_thing_is():
    vague = [
        f"{where} {name}"
        for where, name in names(*sources("gateway"))
        if name not in DICTATED_NAMES and BANNED_WORDS & set(words(name))
    ]
    assert not vague, f"these words say nothing about what the thing is: {vague}"


def test_what_varies_by_brand_is_in_its_profile():
    branches = [place(path, node) for path in sources("gateway") for node in brand_branches(parsed(path))]
    assert not branches, f"a brand is named in code: {branches}"


def test_tests_await_events_instead_of_sleeping():
    naps = [
        place(path, call)
        for path in sources("tests")
        if str(path.relative_to(ROOT)) not in MAY_SLEEP
        for call in sleeps(parsed(path))
    ]
    assert not naps, f"await tests.eventually.eventually(…) or an event instead: {naps}"


def test_the_checks_see_what_they_look_for():
    assert list(sleeps(ast.parse("await asyncio.sleep(1)")))
    assert list(sleeps(ast.parse("from time import sleep as nap\nnap(1)")))
    assert not list(sleeps(ast.parse("await asyncio.sleep(0)")))
    assert list(brand_branches(ast.parse("x = job.brand == 'acme'")))
    assert list(brand_branches(ast.parse("if 'acme' != brand_name: pass")))
    assert list(brand_branches(ast.parse("if brand in ('acme', 'other'): pass")))
    assert list(brand_branches(ast.parse("match brand:\n case 'acme': pass")))
    assert not list(brand_branches(ast.parse("x = job.brand == offer.brand")))
    assert words("HTTPBaseURL2") == ["http", "base", "url2"]
    assert words("find_base_url") == ["find", "base", "url"]


def lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def names(*paths: Path) -> Iterator[tuple[str, str]]:
    for path in paths:
        yield place(path), path.parent.name if path.name == "__init__.py" else path.stem
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                yield place(path, node), node.name


def words(name: str) -> list[str]:
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return [word for word in spaced.lower().split("_") if word]


def brand_branches(tree: ast.AST) -> Iterator[ast.AST]:
    """Comparisons and matches of something called a brand with a text written in the code."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            if any(map(is_brand, sides)) and any(map(is_text, sides)):
                yield node
        elif isinstance(node, ast.Match) and is_brand(node.subject) and any(map(is_text_pattern, ast.walk(node))):
            yield node


def is_brand(node: ast.AST) -> bool:
    name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
    return "brand" in words(name)


def is_text(node: ast.AST) -> bool:
    if isinstance(node, ast.Tuple | ast.List | ast.Set):
        return any(map(is_text, node.elts))
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and bool(node.value)


def is_text_pattern(node: ast.AST) -> bool:
    return isinstance(node, ast.MatchValue) and is_text(node.value)


def sleeps(tree: ast.AST) -> Iterator[ast.Call]:
    """Calls of time.sleep, asyncio.sleep and anyio.sleep; a sleep of nothing only yields to other tasks."""
    imported = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module in {"time", "asyncio", "anyio"}
        for alias in node.names
        if alias.name == "sleep"
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = node.func
        is_sleep = (isinstance(called, ast.Attribute) and called.attr == "sleep") or (
            isinstance(called, ast.Name) and called.id in imported
        )
        yields_only = bool(node.args) and isinstance(node.args[0], ast.Constant) and node.args[0].value == 0
        if is_sleep and not yields_only:
            yield node
