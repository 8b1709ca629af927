"""What the contracts folder must hold: examples of every outbound message, and each brand's golden files."""

import json
from collections.abc import Iterator
from pathlib import Path

from gateway.core.visibility import Audience
from gateway.mapping.examples import Example, examples
from gateway.mapping.library import load_folder
from gateway.mapping.own_json import NotTranslated, translate_own
from gateway.mapping.profile import Profile
from gateway.mapping.render import Document, Unrenderable, render
from gateway.mapping.wanted import NotWanted, wants

ROOT = Path(__file__).parents[2]
OUTBOUND = ROOT / "contracts" / "outbound"
BRANDS = ROOT / "contracts" / "brands"


def outbound_examples() -> Iterator[tuple[Path, str]]:
    """Every kind of message in canonical form, as who it is for gets it without a profile."""
    for example in examples():
        document = rendered(None, example, example.audience)
        assert isinstance(document, Document), example
        yield (
            OUTBOUND / example.stored.type / "v1" / "examples" / f"{name_of(example)}.json",
            pretty(json.loads(document.body)),
        )


def goldens(profile: Profile) -> Iterator[tuple[Path, str]]:
    """What the brand's first destination is sent of every example, or why it is not."""
    folder = BRANDS / profile.brand / "golden"
    for example in examples(profile):
        name = f"{example.stored.type}.{name_of(example)}"
        unwanted = wants(profile, profile.destinations[0], example.event)
        if isinstance(unwanted, NotWanted):
            yield folder / f"{name}.refused.json", pretty({"refused": str(unwanted.why)})
            continue
        made = rendered(profile, example, Audience.ENTERPRISE)
        if isinstance(made, Unrenderable):
            yield folder / f"{name}.refused.json", pretty({"refused": made.reason.value, "detail": made.detail})
        else:
            yield folder / f"{name}.json", pretty(in_words(made))
    for file in sorted((BRANDS / profile.brand / "inbound").glob("*.json")):
        yield translation(profile, file, None)
    for file in sorted((BRANDS / profile.brand / "custom").glob("*.json")):
        yield translation(profile, file, file.name.partition(".")[0])


def translation(profile: Profile, file: Path, record_type: str | None) -> tuple[Path, str]:
    """What the brand's own document `file` says; a custom one is named by its record type first."""
    message = translate_own(profile, json.loads(file.read_text(encoding="utf-8")), record_type)
    made = BRANDS / profile.brand / "golden" / f"{file.parent.name}.{file.stem}.json"
    if isinstance(message, NotTranslated):
        refusal = {"refused": message.reason.value, "field": message.field, "detail": message.detail}
        return made.with_suffix(".refused.json"), pretty(refusal)
    return made, pretty({name: getattr(message, name) for name in ("type", "id", "subject", "time", "data")})


def all_files() -> dict[Path, str]:
    """Every file that the refresh writes."""
    profiles, problems = load_folder(BRANDS)
    assert not problems, problems
    files = dict(outbound_examples())
    for profile in profiles.active.values():
        files |= dict(goldens(profile))
    return files


def committed() -> set[Path]:
    """Every file of the kinds that the refresh writes."""
    return {*OUTBOUND.glob("*/v1/examples/*.json"), *BRANDS.glob("*/golden/*")}


def rendered(profile: Profile | None, example: Example, audience: Audience) -> Document | Unrenderable:
    version = example.stored.jobversion
    previous = version - 1 if version else None
    return render(profile, example.stored, audience=audience, previous=previous, note_text=example.note_text)


def in_words(document: Document) -> dict[str, object]:
    return {
        "key": document.key.decode(),
        "content_type": document.content_type,
        "headers": {name: value.decode() for name, value in document.headers},
        "body": json.loads(document.body),
    }


def name_of(example: Example) -> str:
    return example.name if example.audience is not Audience.CUSTOMER else "example"


def pretty(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
