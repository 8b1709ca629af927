"""The one brand of the demo that is told by a webhook, too: where that is, by which certificates, and its profile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.children import free_port
from gateway.simulation.brand import HOOKS
from gateway.simulation.certificates import make_certificates

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.simulation.certificates import Certificates
    from gateway.simulation.world import World

_HEADING = "\ndestinations:\n"
# Seconds between tries: a demo cannot wait for hours.
_SCHEDULE = [1, 1, 2, 2, 3, 3, 5, 5, 5, 10, 10, 10]


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookBrand:
    """Its webhook listens on this machine; `ca_file` is what the gateway has to trust."""

    brand: str
    port: int
    certificates: Certificates
    ca_file: Path

    @property
    def destination(self) -> str:
        return f"feed.{self.brand}.web"


def set_webhook(folder: Path, world: World) -> WebhookBrand:
    """Makes the certificates below `folder`, and adds the webhook to the profile of its brand in `folder/brands`."""
    ca_file = folder / "partner-ca.pem"
    made = WebhookBrand(
        brand=next(name for name, one in world.brands.items() if one.webhook),
        port=free_port(),
        certificates=make_certificates(folder / "partner-keys", ca_file, ("localhost", "127.0.0.1")),
        ca_file=ca_file,
    )
    profile = folder / "brands" / made.brand / "profile.v1.yaml"
    text = profile.read_text(encoding="utf-8")
    row = (
        f'  - {{name: {made.destination}, kind: webhook, webhook: {{url: "https://localhost:{made.port}{HOOKS}"}}, '
        f"schedule: {_SCHEDULE}, confirms: {{by: answer}}}}\n"
    )
    profile.write_text(text.replace(_HEADING, f"{_HEADING}{row}", 1), encoding="utf-8")
    return made
