"""All settings, read once at start from the environment and `.env`. Wrong ones are reported together, by name."""

from __future__ import annotations

import os
from ipaddress import ip_network
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from gateway.sealing import Sealer, Signer, split_keys

SecurityProtocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
T = TypeVar("T")
SaslMechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


class Settings(BaseSettings):
    """One frozen tree. The variable of a field is its name in capitals with `GATEWAY_` before it."""

    model_config = SettingsConfigDict(env_prefix="GATEWAY_", env_file=".env", frozen=True, extra="ignore")

    database_url: str = Field("sqlite+aiosqlite:///var/gateway.db", description="where everything is kept")
    kafka_servers: str | None = Field(None, description="`host:port,…`, `embedded` or `off`")
    kafka_security_protocol: SecurityProtocol = "PLAINTEXT"
    kafka_sasl_mechanism: SaslMechanism | None = Field(None, validate_default=True)
    kafka_username: str | None = Field(None, validate_default=True)
    kafka_password: SecretStr | None = Field(None, validate_default=True)
    kafka_ca_file: Path | None = None
    kafka_partitions: int = Field(6, ge=1, le=1000, description="partitions of a topic that is created")
    kafka_replication: int = Field(1, ge=1, le=10, description="copies of a topic that is created")
    topic_prefix: str = Field("gateway.", pattern=r"^[A-Za-z0-9._-]{0,50}$", description="before every topic's name")
    consumer_group: str = Field("gateway", description="the consumer group of the role `consume`")
    brands: Path = Field(Path("contracts/brands"), description="folder of brand profiles")
    http_host: str = "127.0.0.1"
    http_port: int = Field(8080, ge=0, le=65535)
    trusted_proxies: str | None = Field(None, description="addresses and networks of proxies before the edge: `a,b/24`")
    secret_keys: SecretStr | None = Field(None, description="keys that encrypt stored secrets, newest first")
    bookings_per_address: int = Field(10, ge=1, le=10_000, description="bookings an hour from one address")
    bookings_per_page: int = Field(200, ge=1, le=1_000_000, description="bookings an hour on one booking page")
    live_streams: int = Field(
        2000, ge=0, le=50_000, description="streams of live feeds in a process of the role `edge`"
    )
    photo_store: str = Field("file://var/photos", description="where photos are kept")
    consumers: int = Field(1, ge=1, le=16, description="batches in work at once in a process of the role `consume`")
    consumer_session_seconds: int = Field(
        10, ge=1, le=300, description="after so long a dead consumer's partitions are another's"
    )
    batch_records: int = Field(500, ge=1, le=5000, description="records in one transaction, at most")
    batch_wait_ms: int = Field(10, ge=1, le=1000, description="longest wait of a poll while the road is idle")
    webhook_networks: str | None = Field(
        None, description="addresses and networks inside that webhooks may go to: `a,b/24`; else only public ones"
    )
    webhook_plain: bool = Field(default=False, description="whether webhooks may go to http:// addresses, unencrypted")
    webhook_ca_file: Path | None = Field(None, description="certificates trusted besides the usual ones by webhooks")
    relay_lease_seconds: int = Field(30, ge=3, le=600, description="after so long a dead relay's work is another's")
    expiry_margin_seconds: int = Field(
        60, ge=0, le=3600, description="an answer to an offer that arrived in time may take this long to be read"
    )
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @field_validator("database_url")
    @classmethod
    def _is_one_of_ours(cls, url: str) -> str:
        if not url.startswith(("sqlite+aiosqlite://", "postgresql+asyncpg://")):
            raise ValueError("must begin with sqlite+aiosqlite:// or postgresql+asyncpg://")
        return url

    @field_validator("kafka_sasl_mechanism", "kafka_username", "kafka_password")
    @classmethod
    def _is_there_with_sasl(cls, value: T, so_far: ValidationInfo) -> T:
        if value is None and str(so_far.data.get("kafka_security_protocol")).startswith("SASL"):
            raise ValueError("is needed with SASL")
        return value

    @field_validator("trusted_proxies", "webhook_networks")
    @classmethod
    def _are_addresses(cls, value: str | None) -> str | None:
        for each in _split(value):
            try:
                ip_network(each)
            except ValueError:
                raise ValueError(f"{each} is neither an address nor a network") from None
        return value

    @field_validator("secret_keys")
    @classmethod
    def _are_sealing_keys(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None or not value.get_secret_value().strip():
            return None
        Sealer(split_keys(value.get_secret_value()))
        return value

    @property
    def proxies(self) -> tuple[str, ...]:
        """Whoever is believed for whom they call."""
        return _split(self.trusted_proxies)

    @property
    def webhook_inside(self) -> tuple[str, ...]:
        """Where webhooks may go besides public addresses."""
        return _split(self.webhook_networks)

    @property
    def sealer(self) -> Sealer | None:
        """What seals and opens kept secrets; None where no key is given."""
        return Sealer(split_keys(self.secret_keys.get_secret_value())) if self.secret_keys is not None else None

    @property
    def signer(self) -> Signer | None:
        """What signs the booking page's forms and links; None where no key is given."""
        return Signer(split_keys(self.secret_keys.get_secret_value())) if self.secret_keys is not None else None

    @property
    def on_sqlite(self) -> bool:
        return self.database_url.startswith("sqlite")


def _split(text: str | None) -> tuple[str, ...]:
    return tuple(word for part in (text or "").split(",") if (word := part.strip()))


def load_settings(**overrides: object) -> Settings | list[str]:
    """The settings, or every problem as a line that names the variable and what is wrong with it."""
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        return [_problem(dict(found)) for found in error.errors()]


def _problem(found: dict[str, object]) -> str:
    place = found["loc"]
    name = f"GATEWAY_{'_'.join(str(step) for step in place).upper()}: " if isinstance(place, tuple) and place else ""
    return f"{name}{str(found['msg']).removeprefix('Value error, ')}"


def shown(settings: Settings) -> list[tuple[str, str, str]]:
    """(variable, effective value with secrets masked, where it came from) of every setting."""
    given = settings.model_fields_set
    environment = {name.upper() for name in os.environ}
    rows = []
    for name in Settings.model_fields:
        value = getattr(settings, name)
        text = "********" if isinstance(value, SecretStr) else "" if value is None else str(value)
        if name == "database_url":
            text = _without_password(text)
        variable = f"GATEWAY_{name.upper()}"
        origin = "environment" if variable in environment else ".env"
        rows.append((variable, text, origin if name in given else "default"))
    return rows


def _without_password(url: str) -> str:
    head, at, tail = url.rpartition("@")
    if not at or ":" not in head.partition("://")[2]:
        return url
    return f"{head.rpartition(':')[0]}:********@{tail}"
