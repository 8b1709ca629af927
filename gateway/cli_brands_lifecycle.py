"""Which version of a brand's profile is in force: `gateway brands list`, `show`, `activate`, `rollback`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from gateway.activating import Refused, Switched, WhyNot, activate, roll_back, take_back
from gateway.cli_brands import problem_rows, sign_webhooks
from gateway.cli_database import ask
from gateway.cli_output import (
    NOT_SO,
    USAGE,
    Author,
    Json,
    Reason,
    fail,
    insist_on_reason,
    plain,
    read_settings,
    show,
    show_json,
    show_one,
)
from gateway.inbound.moments import read_moment
from gateway.inbound.unreadable import Unreadable
from gateway.mapping.profile import MAX_VERSION
from gateway.store.deliveries import Operator
from gateway.store.profiles import TAKEN_BACK, State, coming, in_force, load_activations, load_profiles, states

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from gateway.store.database import Database
    from gateway.store.profiles import Activation, ProfileRow

Brand = Annotated[str, typer.Argument(help="the brand's name")]


async def _load(database: Database) -> tuple[list[ProfileRow], list[Activation], datetime]:
    async with database.snapshot() as connection:
        now = await database.now(connection)
        return await load_profiles(connection), await load_activations(connection), now


def list_(*, json: Json = False) -> None:
    """List the brands: the version in force and since when, what is scheduled, and drafts."""
    rows, activations, now = ask(_load)
    deciding, state = in_force(activations, now), states(rows, activations, now)
    listed = [
        {
            "brand": brand,
            "in_force": deciding[brand].version if brand in deciding else None,
            "since": deciding[brand].effective_at if brand in deciding else None,
            "scheduled": [plain(_moment(one)) for one in coming(activations, now) if one.brand == brand],
            "drafts": [row.version for row in rows if row.brand == brand and state[brand, row.version] is State.DRAFT],
        }
        for brand in sorted({row.brand for row in rows})
    ]
    show([plain(one if json else {**one, **_in_words(one)}) for one in listed], as_json=json)


def _moment(one: Activation) -> dict[str, Any]:
    return {"version": one.version, "effective_at": one.effective_at}


def _in_words(brand: Mapping[str, Any]) -> dict[str, str]:
    return {
        "scheduled": ", ".join(f"v{one['version']} at {one['effective_at']}" for one in brand["scheduled"]),
        "drafts": ", ".join(f"v{version}" for version in brand["drafts"]),
    }


def show_(
    brand: Brand,
    version: Annotated[int | None, typer.Argument(help="only this version")] = None,
    *,
    document: Annotated[bool, typer.Option("--document", help="the profile itself, of one version")] = False,
    json: Json = False,
) -> None:
    """Show a brand's versions, who kept them and why, and every activation of them."""
    rows, activations, now = ask(_load)
    state = states(rows, activations, now)
    mine = [row for row in rows if row.brand == brand and version in {None, row.version}]
    if not mine:
        fail(f"there is no {brand}" if version is None else f"there is no version {version} of {brand}", NOT_SO)
    if document:
        if version is None:
            fail("say of which version: `gateway brands show <brand> <version> --document`", USAGE)
        _show_document(mine[0].document, json=json)
        return
    versions = [_version(row, state[row.brand, row.version]) for row in mine]
    moments = {one.effective_at for one in activations if one.brand == brand and version in {None, one.version}}
    made = [
        _activation(one)
        for one in activations
        if one.brand == brand and one.effective_at in moments and one.version in {version or one.version, TAKEN_BACK}
    ]
    show_one({"brand": brand}, {"versions": versions, "activations": made}, as_json=json)


def _show_document(document: str, *, json: bool) -> None:
    if json:
        show_json({"document": document})
    else:
        typer.echo(document, nl=False)


def _version(row: ProfileRow, state: State) -> dict[str, Any]:
    members = asdict(row)
    del members["document"], members["brand"]
    return {"version": members.pop("version"), "state": state.value, **plain(members)}


def _activation(one: Activation) -> dict[str, Any]:
    members = plain(asdict(one))
    del members["brand"], members["number"]
    return {
        **members,
        "version": None if one.version == TAKEN_BACK else one.version,
        "taken_back": one.version == TAKEN_BACK,
    }


def activate_(
    brand: Brand,
    version: Annotated[int, typer.Argument(help="one that was imported", max=MAX_VERSION)],
    *,
    at: Annotated[str | None, typer.Option(help="take force then, not in three seconds (RFC 3339)")] = None,
    back: Annotated[bool, typer.Option("--take-back", help="it is scheduled, and is not to take force")] = False,
    author: Author = "unknown",
    reason: Reason = "",
    json: Json = False,
) -> None:
    """Bring a version into force, in three seconds or at a later moment; or take back that it will be."""
    operator = Operator(author=author, reason=insist_on_reason(reason))
    moment = read_moment(at) if at is not None else None
    if isinstance(moment, Unreadable):
        fail(f"--at {at}: write it as 2026-03-01T00:00:00Z", USAGE)
    if back:
        if moment is not None:
            fail("--take-back goes without --at", USAGE)
        _show_taken_back(brand, version, ask(lambda database: take_back(database, brand, version, operator)), json=json)
        return
    plain_webhooks = read_settings().webhook_plain
    found = ask(lambda database: activate(database, brand, version, operator, at=moment, plain_webhooks=plain_webhooks))
    _show_switch(brand, found, operator, json=json)


def rollback(brand: Brand, *, author: Author = "unknown", reason: Reason = "", json: Json = False) -> None:
    """Go back to the version that was in force before the present one, in three seconds."""
    operator = Operator(author=author, reason=insist_on_reason(reason))
    plain_webhooks = read_settings().webhook_plain
    found = ask(lambda database: roll_back(database, brand, operator, plain_webhooks=plain_webhooks))
    _show_switch(brand, found, operator, json=json)


_WORDS = {
    WhyNot.UNKNOWN_VERSION: "there is no such version: `gateway brands show`, or import it",
    WhyNot.UNFIT: "the version does not fit what is there by now: import a next one that does",
    WhyNot.NOTHING_BEFORE: "no other version was in force before",
    WhyNot.NOT_SCHEDULED: "the version is not scheduled",
    WhyNot.ABOUT_TO_TAKE_FORCE: "it takes force in a moment: `gateway brands rollback` then",
}


def _show_switch(brand: str, found: Switched | Refused, operator: Operator, *, json: bool) -> None:
    if isinstance(found, Refused):
        _refuse(found, json=json)
    signed = sign_webhooks(operator, quiet=json)
    since = plain({"effective_at": found.effective_at})
    released = {"records": len(found.released.records), "deliveries": len(found.released.deliveries)}
    if json:
        show_json({"brand": brand, "version": found.version, **since, "released": released, "secrets": signed})
    else:
        typer.echo(f"in force from {since['effective_at']}: {brand} v{found.version}")


def _show_taken_back(brand: str, version: int, why: WhyNot | None, *, json: bool) -> None:
    if why is not None:
        _refuse(Refused(why), json=json)
    if json:
        show_json({"brand": brand, "version": version, "taken_back": True})
    else:
        typer.echo(f"taken back: {brand} v{version}")


def _refuse(found: Refused, *, json: bool) -> NoReturn:
    problems, told = problem_rows(found.problems), found.told or _WORDS[found.why]
    if json:
        show_json({"refused": found.why.value, "why": told, "problems": problems})
        raise typer.Exit(NOT_SO)
    if problems:
        show(problems, as_json=False)
    fail(told, NOT_SO)
