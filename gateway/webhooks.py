"""Puts together what posts webhooks: the guarded dialler, the secrets that sign, and the publisher on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.outbound.dialler import Dialler
from gateway.outbound.webhook import WebhookPublisher
from gateway.topics import CannotRun

if TYPE_CHECKING:
    from gateway.destination_secrets import SigningSecrets
    from gateway.settings import Settings


def make_webhooks(settings: Settings, signing: SigningSecrets, *, timeout: float) -> WebhookPublisher:
    """The publisher, whose sends end within `timeout` seconds, each signed by what `signing` has.

    Raises `CannotRun` where the file of certificates cannot be used. Its `close` ends all of it.
    """
    try:
        dialler = Dialler(settings.webhook_inside, settings.webhook_ca_file)
    except OSError as error:
        raise CannotRun(f"GATEWAY_WEBHOOK_CA_FILE: {settings.webhook_ca_file}: {error.strerror}") from error
    return WebhookPublisher(dialler, signing, timeout=timeout, plain=settings.webhook_plain)
