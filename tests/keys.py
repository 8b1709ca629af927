"""Keys for tests of the HTTP edge, made as `gateway keys create` makes them."""

from gateway.keys import Wanted, create_key
from gateway.sealing import Sealer
from gateway.store.deliveries import Operator
from gateway.store.keys import CallerKind

SEALING_KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


async def make_key(database, *, account=None, organization=None, brand=None, transformation="noop"):
    """What the command prints: the public key, the secret, the token."""
    kind = CallerKind.ACCOUNT if account else CallerKind.ORGANIZATION
    wanted = Wanted(kind=kind, owner=account or organization, brand=brand, transformation=transformation)
    issued = await create_key(database, Sealer([SEALING_KEY]), wanted, Operator(author="test", reason="test"))
    return {"key": issued.key, "secret": issued.secret, "token": issued.token}
