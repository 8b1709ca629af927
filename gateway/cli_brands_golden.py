"""`gateway brands golden` and `mutate`: what profiles make of every example, kept for review, and what that notices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli_brands import Folder, profiles_in, show_problems
from gateway.cli_output import NOT_SO, USAGE, Json, OfBrand, fail, read_settings, show, show_json
from gateway.corpus import Corpus, make_corpus, read_documents
from gateway.mapping.library import check_text
from gateway.mapping.mutations import Tried, try_mutations
from gateway.mapping.problems import has_errors
from gateway.mapping.source import Source, read_source

if TYPE_CHECKING:
    from pathlib import Path


def golden(
    path: Folder = None,
    *,
    write: Annotated[bool, typer.Option("--write", help="make the files what they ought to be")] = False,
    json: Json = False,
) -> None:
    """Compare what profiles make of every example with their golden files, and show the difference.

    With --write the files are made anew: review the change where you keep them.
    """
    corpus = make_corpus(profiles_in(path or read_settings().brands))
    if has_errors(corpus.problems):
        show_problems(list(corpus.problems), json=json, nothing="")
    if write:
        _write(corpus, json=json)
        return
    stale = corpus.stale()
    if json:
        show_json([{"file": str(one.file), "wrong": one.wrong, "diff": one.diff} for one in stale])
    for one in () if json else stale:
        typer.echo(one.diff or f"{one.wrong}: {one.file}")
    if not stale and not json:
        typer.echo(f"golden files: {len(corpus.made)}, all as they are made")
    if stale:
        fail(f"golden files that differ: {len(stale)}; if it is meant so: gateway brands golden --write", NOT_SO)


def _write(corpus: Corpus, *, json: bool) -> None:
    stale = corpus.stale()
    for one in stale:
        one.write()
    if json:
        show_json([{"file": str(one.file), "was": one.wrong} for one in stale])
        return
    for one in stale:
        typer.echo(f"{'removed' if one.wrong == 'left_over' else 'written'} {one.file}")
    typer.echo(f"golden files: {len(corpus.made)}, {len(stale)} changed")


def mutate(path: Folder = None, *, brand: OfBrand = None, json: Json = False) -> None:
    """Change each rule of profiles in turn, and list the changes that no golden file would notice."""
    files = profiles_in(path or read_settings().brands)
    count, rows = 0, []
    for file in files if brand is None else [file for file in files if file.parent.name == brand]:
        tried = _tried(file, json=json)
        count += tried.changes
        rows += [
            {"file": one.file, "line": one.line, "member": one.member, "change": one.what} for one in tried.unnoticed
        ]
    if count == 0:
        fail(f"no profile of {brand} there", USAGE)
    if rows or json:
        show(rows, as_json=json)
    if not json:
        typer.echo(f"changes tried: {count}, unnoticed: {len(rows)}")
    if rows:
        raise typer.Exit(NOT_SO)


def _tried(file: Path, *, json: bool) -> Tried:
    text = file.read_text(encoding="utf-8")
    documents, unread = read_documents(file.parent)
    problems = [*check_text(text, file=str(file))[1], *unread]
    source = read_source(text, file=str(file))
    if has_errors(problems) or not isinstance(source, Source):
        show_problems(problems, json=json, nothing="")
        raise typer.Exit(NOT_SO)
    return try_mutations(source, documents)
