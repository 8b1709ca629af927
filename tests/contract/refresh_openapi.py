"""`python -m tests.contract.refresh_openapi` writes contracts/openapi.yaml anew."""

from pathlib import Path

import yaml

from gateway.edge import describe

FILE = Path(__file__).parents[2] / "contracts" / "openapi.yaml"


class Plain(yaml.CSafeDumper):
    """Writes out what occurs twice instead of pointing at it, and texts of several lines as such."""

    def ignore_aliases(self, _data):
        return True


def generated() -> str:
    return yaml.dump(describe(), Dumper=Plain, sort_keys=False, allow_unicode=True, width=120)


if __name__ == "__main__":
    FILE.write_text(generated(), encoding="utf-8")
