"""What the contracts folder must hold: examples of every outbound message, and each brand's golden files."""

import json
from collections.abc import Iterator
from pathlib import Path

from gateway.corpus import make_corpus
from gateway.mapping.examples import examples
from gateway.mapping.goldens import pretty, rendered, short_name
from gateway.mapping.render import Document

ROOT = Path(__file__).parents[2]
OUTBOUND = ROOT / "contracts" / "outbound"
BRANDS = ROOT / "contracts" / "brands"
PROFILES = sorted(BRANDS.glob("*/profile.v*.yaml"))


def outbound_examples() -> Iterator[tuple[Path, str]]:
    """Every kind of message in canonical form, as who it is for gets it without a profile."""
    for example in examples():
        document = rendered(None, example, example.audience)
        assert isinstance(document, Document), example
        yield (
            OUTBOUND / example.stored.type / "v1" / "examples" / f"{short_name(example)}.json",
            pretty(json.loads(document.body)),
        )


def all_files() -> dict[Path, str]:
    """Every file that the refresh writes."""
    corpus = make_corpus(PROFILES)
    assert not corpus.problems, corpus.problems
    return {**dict(outbound_examples()), **corpus.made}


def messages_of(brand: str) -> list[Path]:
    """The golden files that hold a message to the brand."""
    files = sorted((BRANDS / brand / "golden").glob("*.json"))
    others = ("*.refused.json", "destination.*", "inbound.*", "custom.*", "reasons.json")
    return [file for file in files if not any(file.match(each) for each in others)]


def committed() -> set[Path]:
    """Every file of the kinds that the refresh writes."""
    return {*OUTBOUND.glob("*/v1/examples/*.json"), *BRANDS.glob("*/golden*/*")}
