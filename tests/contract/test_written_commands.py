"""Commands that the documents name exist, with the options that they are given."""

import re
import shlex

import pytest
import typer

from gateway.cli import app
from tests.contract.corpus import ROOT

PAGES = sorted(
    [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "docs/adr").glob("*.md")]
)
ROOT_COMMAND = typer.main.get_command(app)
# In backquotes, or a line of its own in a block of code; `a|b` stands for either.
WRITTEN = re.compile(
    r"`(?:\.venv/bin/)?gateway ([^`]+)`|^    (?:\S+=\S+ )*(?:\.venv/bin/)?gateway ([^&#>|\n]+)", re.MULTILINE
)


def commands_in(text):
    return [" ".join((one[0] or one[1]).split()) for one in WRITTEN.findall(text)]


def find_fault(written):
    """What of a command line does not exist; None where it all does."""
    words = shlex.split(written.partition(" > ")[0].replace("…", ""), comments=True)
    command = ROOT_COMMAND
    while hasattr(command, "commands") and words and not words[0].startswith("-"):
        name, *words = words
        if "|" in name:
            return next((f"no command {one}" for one in name.split("|") if one not in command.commands), None)
        if name not in command.commands:
            return f"no command {name}"
        command = command.commands[name]
    known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    return next((f"no option {word}" for word in words if word.startswith("--") and word not in known), None)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_that_a_document_names_exists(page):
    found = {written: find_fault(written) for written in commands_in(page.read_text(encoding="utf-8"))}
    assert {written: fault for written, fault in found.items() if fault} == {}


def test_what_does_not_exist_is_found():
    assert find_fault("brands nonsense") == "no command nonsense"
    assert find_fault("brands map x --nonsense") == "no option --nonsense"
    assert find_fault("brands list|nonsense") == "no command nonsense"
    assert find_fault("brands map harborline --reason '…' --as RFB") is None
