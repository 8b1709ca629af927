"""Writes the JSON Schema of every inbound message to contracts/: `python -m tests.contract.refresh_inbound`."""

import json
from pathlib import Path

from gateway.inbound.catalogue import CATALOGUE, VERSION

CONTRACTS = Path(__file__).parents[2] / "contracts" / "inbound"


def schema_path(message: str) -> Path:
    return CONTRACTS / message / f"v{VERSION}" / "schema.json"


def schema_text(message: str) -> str:
    """The schema of the message's `data`, as it is committed."""
    schema = _plain(CATALOGUE[message].model.model_json_schema())
    schema |= {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"{message}.v{VERSION}"}
    return json.dumps(schema, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def _plain(schema: dict[str, object]) -> dict[str, object]:
    """Without the titles and null defaults that only repeat names and `anyOf`."""
    plain: dict[str, object] = {}
    for name, value in schema.items():
        if name in {"properties", "$defs"} and isinstance(value, dict):
            plain[name] = {inner: _plain(part) for inner, part in value.items()}
        elif isinstance(value, dict):
            plain[name] = _plain(value)
        elif isinstance(value, list):
            plain[name] = [_plain(part) if isinstance(part, dict) else part for part in value]
        elif name != "title" and (name, value) != ("default", None):
            plain[name] = value
    return plain


def main() -> None:
    for message in CATALOGUE:
        path = schema_path(message)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(schema_text(message), encoding="utf-8")


if __name__ == "__main__":
    main()
