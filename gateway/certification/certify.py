"""Runs a partner's webhook through the list. Nothing of it is kept here: no delivery is made, none is recorded."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gateway.certification.items import Found, Item, Verdict, make_items
from gateway.certification.report import Report
from gateway.certification.specimens import Specimens
from gateway.certification.trial import Trial
from gateway.outbound.certifying import Poster

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gateway.mapping.profile import Profile
    from gateway.mapping.profile_roads import Destination, Webhook
    from gateway.outbound.certifying import Connector

_NOT_REACHED = Found(Verdict.NOT_JUDGED, "not tried: it was not reached")


def find_webhook(profile: Profile, name: str | None) -> tuple[Destination, Webhook] | str:
    """The webhook to try: the one named, else the brand's for test work; or why there is none."""
    webhooks = {one.name: (one, one.webhook) for one in profile.destinations if one.webhook is not None}
    told = f"it has {', '.join(webhooks) or 'none'}"
    if name is not None:
        return webhooks.get(name) or f"{profile.brand} has no webhook {name}: {told}"
    sandboxes = (pair for pair in webhooks.values() if pair[0].sandbox)
    otherwise = f"{profile.brand} has no webhook for test work (sandbox): name one with --destination; {told}"
    return next(sandboxes, otherwise)


async def certify_webhook(
    profile: Profile,
    chosen: tuple[Destination, Webhook],
    secrets: Sequence[str],
    connector: Connector,
    on_list: Callable[[Sequence[Item]], None],
    on_found: Callable[[Item, Found], None],
) -> Report:
    """Tells the list by `on_list` before anything is sent, then what came of each item.

    Where the first item does not reach the partner, no other is tried.
    """
    (destination, webhook), begun = chosen, datetime.now(UTC)
    found: list[tuple[Item, Found]] = []
    async with Poster(
        connector, webhook.url, timeout=webhook.timeout, connect_timeout=webhook.connect_timeout
    ) as poster:
        trial = Trial(
            destination=destination,
            webhook=webhook,
            specimens=Specimens(profile, destination, begun),
            secrets=secrets,
            post=poster.post,
        )
        items = make_items(profile, trial)
        on_list(items)
        for item in items:
            is_cut_off = bool(found) and found[0][1].verdict is Verdict.FAILED
            found.append((item, _NOT_REACHED if is_cut_off else await item.judge(trial)))
            on_found(*found[-1])
    return Report(profile=profile, destination=destination, url=webhook.url, at=begun, found=found)
