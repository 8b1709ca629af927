"""`gateway keys …`: who may call the HTTP edge. Secrets and tokens are told once, to whoever makes the key."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli_database import ask, look
from gateway.cli_output import NOT_SO, USAGE, Author, Json, Reason, fail, get_sealer, plain, show, show_json
from gateway.core.ids import Kind, canonical_id
from gateway.core.scopes import Scope
from gateway.keys import IssuedKey, KeyRefused, Wanted, create_key, end_key, key_id, rotate_key, seal_again
from gateway.owners import CannotOwn
from gateway.sealing import CannotOpen
from gateway.store.deliveries import Operator
from gateway.store.keys import TRANSFORMATION, CallerKind, KeyView, list_keys
from gateway.store.refused_calls import list_refused_calls

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import TypeVar

    from gateway.store.database import Database

    _T = TypeVar("_T")

keys = typer.Typer(help="Keys of callers: create, list, rotate, revoke, reseal; failures.", no_args_is_help=True)

Key = Annotated[str, typer.Argument(metavar="KEY", help="key-3 or 3, or account|42|noop")]

_LONGEST_NAME = 200


@keys.command()
def create(  # noqa: PLR0913 - one argument per option
    *,
    account: Annotated[str | None, typer.Option(help="for this enterprise: 42, acc-42 or its name")] = None,
    organization: Annotated[str | None, typer.Option(help="for this provider: 42, org-42 or its handle")] = None,
    user: Annotated[
        str | None, typer.Option(help="with --organization: for this user of it alone: its id, usr-7")
    ] = None,
    operator: Annotated[str | None, typer.Option(help="for this person")] = None,
    brand: Annotated[str | None, typer.Option(help="with --account: for this brand's records alone")] = None,
    transformation: Annotated[str, typer.Option(help="the third part of the public key")] = "noop",
    name: Annotated[str | None, typer.Option(help="names an account or organization that is new, and the key")] = None,
    sandbox: Annotated[bool, typer.Option("--sandbox", help="for test work, apart from all other")] = False,
    scope: Annotated[list[Scope] | None, typer.Option(help="only for this; repeatable; for all by default")] = None,
    author: Author = "unknown",
    reason: Reason = "",
    json: Json = False,
) -> None:
    """Make a key, and the account or organization where it is new. Secret and token are told now, and never again."""
    owners = {
        CallerKind.ACCOUNT: account,
        CallerKind.ORGANIZATION: organization,
        CallerKind.OPERATOR: operator,
    }
    named = [(one, told) for one, told in owners.items() if told is not None]
    if len(named) != 1:
        fail("say whom it is for, with one of --account, --organization and --operator", USAGE)
    ((kind, owner),) = named
    if user is not None and kind is not CallerKind.ORGANIZATION:
        fail("--user goes with --organization", USAGE)
    if user is not None and name is not None:
        fail("--name goes with what may be new: a user is there", USAGE)
    if brand is not None and kind is not CallerKind.ACCOUNT:
        fail("--brand goes with --account", USAGE)
    for said in (one for one in (owner, name, user) if one is not None):
        if not said.strip() or len(said) > _LONGEST_NAME or not said.isprintable():
            fail(f"names have 1 to {_LONGEST_NAME} printable characters", USAGE)
    if not TRANSFORMATION.fullmatch(transformation):
        fail(f"{transformation!r} is not a word: small letters, digits and -_.: up to 40", USAGE)
    wanted = Wanted(
        kind=CallerKind.USER if user is not None else kind,
        owner=owner.strip(),
        name=name.strip() if name else None,
        user=user.strip() if user else None,
        brand=brand,
        transformation=transformation,
        scopes=tuple(sorted(set(scope or ()))),
        sandbox=sandbox,
    )
    by, sealer = Operator(author=author, reason=reason.strip()), get_sealer()
    _tell(_ask(lambda database: create_key(database, sealer, wanted, by)), as_json=json)


@keys.command("list")
def list_(*, json: Json = False) -> None:
    """List all keys, with when each was used last; never what is secret."""
    show([_members(one) for one in look(list_keys)], as_json=json)


@keys.command()
def rotate(key: Key, *, author: Author = "unknown", reason: Reason = "", json: Json = False) -> None:
    """Make a second live key of the same name; both are good until the old one is revoked."""
    by, sealer = Operator(author=author, reason=reason.strip()), get_sealer()
    _tell(_ask(lambda database: rotate_key(database, sealer, key, by)), as_json=json)


@keys.command()
def revoke(key: Key, *, author: Author = "unknown", reason: Reason = "", json: Json = False) -> None:
    """End a key for good."""
    by = Operator(author=author, reason=reason.strip())
    ended = _ask(lambda database: end_key(database, key, by))
    show([{"id": key_id(ended.number), "key": ended.public_key, "verdict": "done"}], as_json=json)


@keys.command()
def failures(
    *, hours: Annotated[int, typer.Option(min=1, max=720, help="of so many hours")] = 24, json: Json = False
) -> None:
    """List calls that proved nothing, by the hour: from where, under which public key, why, and how many."""
    since = datetime.now(UTC) - timedelta(hours=hours)
    found = look(lambda connection: list_refused_calls(connection, since))
    show([plain(asdict(one)) for one in found], as_json=json)


@keys.command()
def reseal(*, author: Author = "unknown", reason: Reason = "", json: Json = False) -> None:
    """Seal kept secrets, of keys and of webhooks, with the first of GATEWAY_SECRET_KEYS: the others may be left out."""
    by, sealer = Operator(author=author, reason=reason.strip()), get_sealer()
    count = _ask(lambda database: seal_again(database, sealer, by))
    if json:
        show_json({"resealed": count})
    else:
        typer.echo(f"sealed anew: {count}")


def _ask(work: Callable[[Database], Awaitable[_T]]) -> _T:
    try:
        return ask(work)
    except (KeyRefused, CannotOwn, CannotOpen) as error:
        fail(str(error), NOT_SO)


def _tell(issued: IssuedKey, *, as_json: bool) -> None:
    told = {"key": issued.key, "secret": issued.secret, "token": issued.token}
    if as_json:
        show_json(told)
        return
    for name, value in {"id": key_id(issued.number), **told}.items():
        if value is not None:
            typer.echo(f"{name:<6}  {value}")
    typer.echo("keep what is secret of it now: it is not told again")


def _members(view: KeyView) -> dict[str, Any]:
    members = plain(asdict(view))
    number = members.pop("number")
    user = canonical_id(Kind.USER, view.owner) if view.kind is CallerKind.USER else None
    del members["kind"], members["owner"]
    members["scopes"] = list(view.scopes)
    return {"id": key_id(number), "key": view.public_key, "owner": members.pop("owner_name"), "user": user, **members}
