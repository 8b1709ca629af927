"""`python -m tests.contract.refresh_asyncapi` writes contracts/asyncapi.yaml anew."""

from pathlib import Path

import yaml

from gateway.contract import asyncapi

FILE = Path(__file__).parents[2] / "contracts" / "asyncapi.yaml"


def generated() -> str:
    return yaml.safe_dump(asyncapi(), sort_keys=False, allow_unicode=True, width=120)


if __name__ == "__main__":
    FILE.write_text(generated(), encoding="utf-8")
