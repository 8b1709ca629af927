"""Keys for tests of the HTTP edge, made as `gateway keys create` makes them."""

from sqlalchemy import select

from gateway.sealing import Sealer, hash_token, new_secret, new_token
from gateway.store.keys import CallerKind, NewKey, insert_key, public_key
from gateway.store.tables import account, organization

SEALING_KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


async def make_key(database, *, account_name=None, organization_handle=None, transformation="noop"):
    """What the command prints: the public key, the secret, the token."""
    kind = CallerKind.ACCOUNT if account_name else CallerKind.ORGANIZATION
    owners = select(account.c.number).where(account.c.name == account_name)
    if organization_handle:
        owners = select(organization.c.number).where(organization.c.handle == organization_handle)
    secret, token = new_secret(), new_token()
    async with database.transaction() as connection:
        owner = (await connection.execute(owners)).scalar_one()
        new = NewKey(
            kind=kind,
            owner=owner,
            brand=None,
            transformation=transformation,
            label="test",
            secret=Sealer([SEALING_KEY]).seal(secret.encode()),
            token_hash=hash_token(token),
            scopes=(),
            sandbox=False,
        )
        await insert_key(connection, new, await database.now(connection))
    return {"key": public_key(kind, owner, transformation), "secret": secret, "token": token}
