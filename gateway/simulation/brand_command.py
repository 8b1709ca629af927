"""`gateway simulate brand`: a brand's end of webhooks, to test against; and a careless sender of offers."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import orjson
import typer

from gateway.simulation.behaviour import Behaviour, Flaw, Way
from gateway.simulation.brand import SimulatedBrand
from gateway.simulation.ending import until_told
from gateway.simulation.letters import is_secret
from gateway.simulation.offering import STEPS, NotOffered, Sender, offer_carelessly

if TYPE_CHECKING:
    from gateway.simulation.certificates import Certificates

NOT_SO, USAGE = 1, 2


def brand(
    *,
    host: Annotated[str, typer.Option(help="the address to listen at")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one")] = 8090,
    secret: Annotated[
        list[str] | None,
        typer.Option(envvar="SIMULATED_BRAND_SECRETS", help="whsec_…: whose signatures hold; repeatable"),
    ] = None,
    behaviour: Annotated[Way, typer.Option(help="how it answers")] = Way.ACCEPT,
    status: Annotated[int | None, typer.Option(min=200, max=599, help="another status for the same")] = None,
    answer_after: Annotated[int, typer.Option(min=0, help="milliseconds before each answer")] = 0,
    retry_after: Annotated[int | None, typer.Option(min=0, help="seconds, as header of its answers")] = None,
    rate: Annotated[float, typer.Option(min=0, max=1, help="this share of calls only; others are accepted")] = 1.0,
    seed: Annotated[int, typer.Option(help="chooses which calls these are")] = 0,
    confirm: Annotated[bool, typer.Option("--confirm", help='answer {"applied": version}')] = False,
    flaw: Annotated[list[Flaw] | None, typer.Option(help="a mistake that it makes; repeatable")] = None,
    record: Annotated[Path | None, typer.Option(help="append each call to this file, as a line of JSON")] = None,
    ca_file: Annotated[
        Path | None, typer.Option(help="TLS by a certificate of its own; write the authority's here")
    ] = None,
    name: Annotated[list[str] | None, typer.Option(help="whom that certificate is for; repeatable")] = None,
    certificate: Annotated[Path | None, typer.Option(help="TLS by this certificate, with --key")] = None,
    key: Annotated[Path | None, typer.Option(help="the key of --certificate")] = None,
    offers: Annotated[int, typer.Option(min=0, help="send so many offers, twice and in the wrong order, and end")] = 0,
    url: Annotated[str, typer.Option(help="the gateway's address, for --offers")] = "http://127.0.0.1:8080",
    token: Annotated[str, typer.Option(envvar="GATEWAY_TOKEN", help="a token of the account, for --offers")] = "",
    offered_by: Annotated[str, typer.Option("--brand", help="the brand of the offers")] = "",
    organization: Annotated[str | None, typer.Option(help="the provider's handle; else routing finds one")] = None,
) -> None:
    """A brand that takes webhooks, checks and counts them, and misbehaves as it is told to; Ctrl-C ends it.

    At its end it says what it got; exit 1 if a signature was bad, or the order of a job broken.
    """
    if offers:
        if not token or not offered_by:
            _fail("--offers needs --token and --brand", USAGE)
        sender = Sender(url=url, token=token, brand=offered_by, organization=organization)
        _offer(sender, offers)
        return
    if (certificate is None) != (key is None):
        _fail("--certificate and --key go together", USAGE)
    if not all(map(is_secret, secret or ())):
        _fail("--secret is whsec_ and base64, as `gateway destinations secret` shows it", USAGE)
    with contextlib.ExitStack() as stack:
        try:
            one = SimulatedBrand(
                secrets=tuple(secret or ()),
                confirms=confirm,
                behaviour=Behaviour(
                    way=behaviour, status=status, after_ms=answer_after, retry_after=retry_after, rate=rate
                ),
                flaws=frozenset(flaw or ()),
                certificates=_find_certificates(certificate, key, ca_file, name),
                record=stack.enter_context(record.open("ab", buffering=0)) if record else None,
                seed=seed,
            )
            asyncio.run(until_told(_listen(one, host, port)))
        except OSError as error:
            _fail(f"cannot begin: {error.filename or f'{host}:{port}'}: {error.strerror or error}", NOT_SO)
    typer.echo(orjson.dumps(one.arrivals.summary(), option=orjson.OPT_INDENT_2).decode())
    if not one.arrivals.is_well:
        raise typer.Exit(NOT_SO)


def _find_certificates(
    certificate: Path | None, key: Path | None, ca_file: Path | None, names: list[str] | None
) -> Certificates | None:
    """The given ones, or new ones, or none: then it speaks http."""
    from gateway.simulation.certificates import Certificates, make_certificates

    if ca_file is not None:
        return make_certificates(
            ca_file.parent / f"{ca_file.stem}-keys", ca_file, tuple(names or ("localhost", "127.0.0.1"))
        )
    return Certificates(certificate, key) if certificate and key else None


async def _listen(one: SimulatedBrand, host: str, port: int) -> None:
    await one.start(host, port)
    typer.echo(f"listening at {one.url}; /seen counts, POST /control changes its behaviour")
    try:
        await asyncio.Event().wait()
    finally:
        await one.stop()


def _offer(sender: Sender, offers: int) -> None:
    try:
        answered = asyncio.run(offer_carelessly(sender, offers))
    except NotOffered as error:
        _fail(str(error), NOT_SO)
    wrong = False
    for step in STEPS:
        words = {word: count for (name, word), count in answered.items() if name == step.name}
        wrong = wrong or set(words) != {step.expected}
        told = ", ".join(f"{word} {count}" for word, count in sorted(words.items()))
        typer.echo(f"{step.name:<36} expected {step.expected:<18} {told}")
    if wrong:
        raise typer.Exit(NOT_SO)


def _fail(message: str, code: int) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(code)
