"""`python -m tests.contract.refresh_profile_schema` writes contracts/brands/profile.schema.json anew."""

from gateway.mapping.profile_schema import schema_text
from tests.contract.corpus import BRANDS

FILE = BRANDS / "profile.schema.json"

if __name__ == "__main__":
    FILE.write_text(schema_text(), encoding="utf-8")
