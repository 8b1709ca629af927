"""docs/delivery.md holds: its programs run and judge rightly, its example is what is sent, its numbers are the code's."""

import asyncio
import base64
import hashlib
import hmac
import re
import secrets
import subprocess
import sys
import time
from itertools import accumulate
from pathlib import Path

import orjson
import pytest

from gateway.mapping.profile import Profile, parse_profile
from gateway.mapping.profile_roads import Webhook
from gateway.outbound.schedule import LARGEST_JITTER, STEPS

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "delivery.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"^```\S+ (\S+)\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL))
UNITS = {"s": 1, "min": 60, "h": 3600}
SECRET, OLDER, OTHERS = (f"whsec_{base64.b64encode(secrets.token_bytes(size)).decode()}" for size in (32, 24, 64))
BODY = '{"title":"Spülmaschine"}\r\n'.encode() + b"\x00\xff"
ID = "evt-7001"


def sign(secret, message_id, timestamp, body):
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.digest(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256)
    return f"v1,{base64.b64encode(digest).decode()}"


def cell(label):
    """The code in the second cell of the row of the worked example."""
    example = DOCUMENT.partition("\n## Checking the signature\n")[2]
    return re.search(rf"^\| {re.escape(label)} \| `([^`]*)` \|$", example, re.MULTILINE).group(1)


def test_the_worked_example_of_a_signature_is_right():
    told = (cell("secret"), cell("`webhook-id`"), cell("`webhook-timestamp`"), cell("body").encode())
    assert sign(*told) == cell("`webhook-signature`")


def test_the_example_is_what_is_sent():
    golden = ROOT / "contracts" / "brands" / "harborline" / "golden" / "job.amended.description.json"
    assert orjson.loads(BLOCKS["body"]) == orjson.loads(golden.read_bytes())["body"]


def test_the_example_of_a_profile_is_one():
    harborline = (ROOT / "contracts" / "brands" / "harborline" / "profile.v1.yaml").read_text(encoding="utf-8")
    profile = parse_profile(f"{harborline}\n{BLOCKS['profile.yaml']}", file="delivery.md")
    assert isinstance(profile, Profile), profile
    assert profile.asked.keys() == {"feed.harborline", "feed.harborline.trial"}


@pytest.fixture(params=["python", "node", "java", "shell"])
def program(request, tmp_path):
    """How to run one of the page's programs."""
    for name, text in BLOCKS.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    match request.param:
        case "python":
            return [sys.executable, "-I", str(tmp_path / "check.py")]
        case "node":
            return [request.getfixturevalue("node"), str(tmp_path / "check.mjs")]
        case "java":
            return compiled(request.getfixturevalue("java"), tmp_path)
        case _:
            request.getfixturevalue("curl")
            return ["sh", str(tmp_path / "check.sh")]


def compiled(java, folder):
    """`java Check.java` compiles it each time; once is enough here."""
    compiler = [java, "-m", "jdk.compiler/com.sun.tools.javac.Main", "-d", str(folder), str(folder / "Check.java")]
    subprocess.run(compiler, check=True)
    return [java, "-cp", str(folder), "Check"]


async def judged(program, secret, timestamp, signatures, body):
    """What the program says, which must agree with how it ends."""
    run = await asyncio.create_subprocess_exec(
        *(*program, ID, timestamp, signatures),
        env={"PATH": "/usr/bin:/bin", "WEBHOOK_SECRET": secret},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    said, errors = await run.communicate(body)
    assert (said.decode().strip(), run.returncode) in {("genuine", 0), ("not genuine", 1)}, (said, errors)
    return run.returncode == 0


@pytest.mark.timeout(120)
async def test_each_program_believes_what_is_signed_and_nothing_else(program):
    now = int(time.time())
    good = sign(SECRET, ID, now, BODY)
    cases = {
        "good": (SECRET, now, good, BODY),
        "signed by an older secret too": (SECRET, now, f"{sign(OLDER, ID, now, BODY)} {good}", BODY),
        "the older of two secrets": (OLDER, now, f"{sign(OLDER, ID, now, BODY)} {good}", BODY),
        "beside versions that nobody knows": (SECRET, now, f"v1a,AAAA v2,{good[3:]} {good}", BODY),
        "a little while ago": (SECRET, now - 200, sign(SECRET, ID, now - 200, BODY), BODY),
    }
    bad = {
        "of another secret": (SECRET, now, sign(OTHERS, ID, now, BODY), BODY),
        "of another body": (SECRET, now, good, BODY + b" "),
        "of another moment": (SECRET, now + 1, good, BODY),
        "of another id": (SECRET, now, sign(SECRET, "evt-7002", now, BODY), BODY),
        "old": (SECRET, now - 400, sign(SECRET, ID, now - 400, BODY), BODY),
        "from the future": (SECRET, now + 400, sign(SECRET, ID, now + 400, BODY), BODY),
        "at no moment": (SECRET, "soon", sign(SECRET, ID, "soon", BODY), BODY),
        "at a moment beyond counting": (SECRET, "9" * 30, sign(SECRET, ID, "9" * 30, BODY), BODY),
        "of another version": (SECRET, now, f"v2,{good[3:]}", BODY),
        "none": (SECRET, now, "", BODY),
        "a part of one": (SECRET, now, good[:-4], BODY),
    }
    names = [*cases, *bad]
    told = [(secret, str(at), signed, body) for secret, at, signed, body in (*cases.values(), *bad.values())]
    verdicts = await asyncio.gather(*(judged(program, *one) for one in told))
    assert {name for name, believed in zip(names, verdicts, strict=True) if believed} == set(cases)


def section(heading):
    return DOCUMENT.partition(f"\n{heading}\n")[2].partition("\n#")[0]


def seconds(text):
    number, unit = text.split()
    return float(number) * UNITS[unit]


def test_the_schedule_is_that_of_the_code():
    rows = re.findall(r"^\| (\d+)–(\d+) \| ([^|]+) \| ([^|]+) \|$", section("### The schedule"), re.MULTILINE)
    waits, sums = [], []
    for first, last, told, since in rows:
        assert int(first) == len(waits) + 1
        each = [seconds(one) for one in told.removesuffix(" each").split(", ")]
        waits += each if not told.endswith(" each") else each * (int(last) - int(first) + 1)
        assert int(last) == len(waits)
        sums.append(since)
    assert tuple(waits) == STEPS
    totals = list(accumulate(STEPS))
    assert sums == [span(totals[int(last) - 1]) for _, last, _, _ in rows]
    assert LARGEST_JITTER == 0.2
    assert "Up to a fifth of each wait is added" in DOCUMENT


def span(total):
    """In words, the smaller units left out."""
    if total < 120:
        return f"{total:.0f} s"
    minutes = int(total // 60)
    parts = ((minutes // 1440, "d"), (minutes // 60 % 24, "h"), (minutes % 60, "min"))
    return " ".join([f"{count} {unit}" for count, unit in parts if count][:2])


def test_the_limits_are_those_of_a_profile():
    rows = re.findall(r"^\| `(\w+)`[^|]*\| ([^|]+) \| ([^|]+) \|$", section("### Limits"), re.MULTILINE)
    told = {name: (usual, span) for name, usual, span in rows}
    members = Webhook.model_json_schema()["properties"]
    largest = members["rate"]["anyOf"][0]["maximum"]
    assert told == {
        **{name: limits(members[name], lambda value: f"{value:g} s") for name in ("timeout", "connect_timeout")},
        "concurrency": limits(members["concurrency"], str),
        "rate": ("as fast as you answer", f"up to {largest}"),
        "largest_body": limits(members["largest_body"], lambda value: f"{value // 1024} KiB"),
    }
    assert members["rate"]["default"] is None
    assert members.keys() - told.keys() == {"url", "answers"}


def limits(member, shown):
    return shown(member["default"]), f"{shown(member['minimum'])} – {shown(member['maximum'])}"
