"""What is wrong with an installation, and what to do about it: everything is looked at, nothing is changed."""

from __future__ import annotations

import asyncio
import fcntl
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.destination_secrets import find_unsigned
from gateway.finding import Finding, fine, problem, warning
from gateway.inbound.doors import SHARED, Doors
from gateway.keeper import Keeper
from gateway.keys import key_id
from gateway.mapping.library import load_folder
from gateway.mapping.problems import has_errors
from gateway.outbound.inspection import UNREACHABLE, find_topics, has_fast_client
from gateway.outbound.topics import TOPIC_CONFIG
from gateway.sealing import CannotOpen
from gateway.standstill import examine_standstill
from gateway.store.database import Database
from gateway.store.destination_secrets import load_signing_secrets
from gateway.store.keys import load_sealed
from gateway.store.profiles import in_force, load_activations
from gateway.store.readiness import NotReady, explained, insist_on_schema
from gateway.store.refused_calls import sum_refused_calls
from gateway.topics import CannotRun, inbound_topics, make_cluster, outbound_topics

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from gateway.sealing import Sealer
    from gateway.settings import Settings
    from gateway.store.destination_secrets import SealedSecret

KAFKA_SECONDS = 10.0
# Counts are kept by the hour.
REFUSED_WITHIN = timedelta(hours=2)
MANY_REFUSED = 100


async def examine(settings: Settings) -> list[Finding]:
    """Everything that can be looked at; what would need something that is away is left out."""
    findings = [_examine_client()]
    database = Database(settings.database_url, pool_size=1)
    try:
        await insist_on_schema(database)
        with explained():
            findings += await _examine_database(settings, database)
    except NotReady as error:
        findings.append(problem("database", str(error), "GATEWAY_DATABASE_URL says where it is"))
    finally:
        await database.close()
    return findings


async def _examine_database(settings: Settings, database: Database) -> list[Finding]:
    findings = [fine("database", "reachable, with the tables of this version")]
    if database.file is not None:
        findings.append(await asyncio.to_thread(_examine_lock, Path(f"{database.file}.lock")))
    keeper = Keeper(database)
    await keeper.refresh()
    findings += await _examine_topics(settings, keeper)
    findings += await asyncio.to_thread(_examine_folder, settings.brands)
    async with database.snapshot() as connection:
        now = await database.now(connection)
        active = in_force(await load_activations(connection), now).values()
        findings.append(_examine_profiles({(one.brand, one.version) for one in active}, keeper))
        answers = Doors(settings.topic_prefix, dict).answers()
        findings.append(_examine_secrets(settings, await load_sealed(connection)))
        signing = await load_signing_secrets(connection, now)
        findings.append(_examine_webhooks(settings, signing, await find_unsigned(connection, now)))
        findings += await examine_standstill(connection, answers, now)
        findings.append(_examine_calls(await sum_refused_calls(connection, now - REFUSED_WITHIN)))
    return findings


def _examine_secrets(settings: Settings, sealed: Mapping[int, bytes]) -> Finding:
    """Whether the sealing keys that are given open every secret that is kept."""
    sealer = settings.sealer
    if sealer is None:
        if not sealed:
            return fine("secrets", "there is no key whose secret would have to be opened")
        told = f"GATEWAY_SECRET_KEYS is not set, and {len(sealed)} keys have secrets: no signature can be checked"
        return warning("secrets", told, "give the keys that sealed them")
    closed = [key_id(number) for number, secret in sealed.items() if not _opens(sealer, secret)]
    if closed:
        told = f"no key of GATEWAY_SECRET_KEYS opens the secrets of {', '.join(closed)}: their calls fail"
        return problem("secrets", told, "give the key that sealed them too, or revoke them and make new ones")
    return fine("secrets", f"the secrets of {len(sealed)} keys can be opened")


def _examine_webhooks(settings: Settings, signing: Sequence[SealedSecret], unsigned: Iterable[str]) -> Finding:
    """Whether every webhook is signed by a secret that can be opened."""
    missing = ", ".join(sorted(unsigned))
    if missing:
        told = f"no secret signs for {missing}: what they are owed waits"
        return problem("webhooks", told, "`gateway destinations secret NAME` makes one, for the partner to know")
    sealer = settings.sealer
    closed = [one for one in signing if sealer is None or not _opens(sealer, one.secret)]
    if closed:
        told = f"no key of GATEWAY_SECRET_KEYS opens {len(closed)} secrets that sign: what is owed there waits"
        return problem("webhooks", told, "give the key that sealed them too, or `gateway destinations rotate`")
    return fine("webhooks", f"{len({one.destination for one in signing})} are signed")


def _opens(sealer: Sealer, secret: bytes) -> bool:
    try:
        sealer.open(secret)
    except CannotOpen:
        return False
    return True


def _examine_client() -> Finding:
    if has_fast_client():
        return fine("kafka client", "with its C extensions")
    remedy = "install aiokafka from a wheel for this platform"
    return warning("kafka client", "without its C extensions: several times slower", remedy)


def _examine_lock(path: Path) -> Finding:
    """Whether a gateway runs on this SQLite database: it holds the lock as long as it does."""
    if not path.exists():
        return fine("sqlite lock", "no gateway has run on this database yet")
    with path.open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return fine("sqlite lock", "a gateway runs on this database")
    return fine("sqlite lock", "no gateway runs on this database now")


async def _examine_topics(settings: Settings, keeper: Keeper) -> list[Finding]:
    if settings.kafka_servers in {"off", "embedded"}:
        return [fine("kafka", f"GATEWAY_KAFKA_SERVERS is {settings.kafka_servers}: there is no cluster to look at")]
    names = [*inbound_topics(settings, keeper), *outbound_topics(settings, keeper)]
    try:
        found = await find_topics(make_cluster(settings), names, within=KAFKA_SECONDS)
    except CannotRun as error:
        return [problem("kafka", str(error), "name the brokers")]
    except UNREACHABLE as error:
        told = f"{settings.kafka_servers} does not answer: {type(error).__name__}"
        return [problem("kafka", told, "check GATEWAY_KAFKA_SERVERS and the broker; its own log says more")]
    findings = [fine("kafka", f"{settings.kafka_servers} answers")]
    missing = sorted(set(names) - found.keys())
    if missing:
        findings.append(problem("topics", f"missing: {', '.join(missing)}", "`gateway migrate` makes them"))
    wrong = {name: dict(_differences(one.settings)) for name, one in sorted(found.items())}
    for name, differences in wrong.items():
        for setting, value in differences.items():
            remedy = f"kafka-configs --alter --add-config {setting}={TOPIC_CONFIG[setting]}: {_WHY[setting]}"
            findings.append(warning("topics", f"{name}: {setting} is {value}", remedy))
    if not missing and not any(wrong.values()):
        findings.append(fine("topics", f"{len(found)} there, with append times and room for large messages"))
    shared = ", ".join(f"{settings.topic_prefix}{name}" for name in SHARED)
    findings.append(fine("shared topics", f"{shared}: whoever may write there is believed who they say they are"))
    return findings


_WHY = {
    "message.timestamp.type": "an answer's arrival is the moment of its reading until then",
    "max.message.bytes": "larger messages are refused by the broker until then",
}


def _differences(settings: object) -> Iterator[tuple[str, str]]:
    """What a topic's settings say otherwise than `migrate` would; brokers that tell nothing differ in nothing."""
    told = settings if isinstance(settings, dict) else {}
    for name, wanted in TOPIC_CONFIG.items():
        value = told.get(name)
        if value is None or value == wanted:
            continue
        if wanted.isdecimal() and value.isdecimal() and int(value) >= int(wanted):
            continue
        yield name, value


def _examine_calls(refused: int) -> Finding:
    """Whether somebody tries keys: calls that proved nothing, of the present hour and the one before."""
    if refused < MANY_REFUSED:
        return fine("callers", f"{refused} calls proved nothing in the last two hours")
    what = f"{refused} calls proved nothing in the last two hours"
    return warning("callers", what, "`gateway keys failures` says whose: a partner with an old key, or a guesser")


def _examine_folder(folder: Path) -> list[Finding]:
    if not folder.is_dir():
        return [warning("profiles", f"there is no folder {folder}", "GATEWAY_BRANDS says where profiles are")]
    problems = [one for one in load_folder(folder)[1] if has_errors((one,))]
    return [
        warning("profiles", f"{one.file}:{one.line} {one.member}: {one.what}", "the last good version stays in force")
        for one in problems
    ]


def _examine_profiles(active: set[tuple[str, int]], keeper: Keeper) -> Finding:
    in_force = ", ".join(f"{brand} v{one.version}" for brand, one in sorted(keeper.profiles.active.items()))
    failing = ", ".join(f"{brand} v{version}" for brand, version in sorted(active - keeper.profiles.versions.keys()))
    if failing:
        return problem("profiles", f"cannot be read: {failing}", "mend and import them: `gateway brands check`")
    if not in_force:
        return warning("profiles", "none is in force", "`gateway brands import`")
    return fine("profiles", f"in force: {in_force}")
