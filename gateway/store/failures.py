"""What a failing statement means to its caller: run again, set a record aside, or infrastructure is broken."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from asyncpg import InterfaceError as DriverError
from asyncpg import PostgresError
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError, StatementError

if TYPE_CHECKING:
    from collections.abc import Iterator

# SQLSTATE classes: transaction rolled back by the server; data exception, integrity, limits exceeded.
_ROLLED_BACK = "40"
_REFUSED = ("22", "23", "54")
# Connection, transaction, resources, the server's operator.
_PASSING = ("08", _ROLLED_BACK, "53", "57")
_UNIQUE_VIOLATION = "23505"
_SQLITE_UNIQUE = frozenset({"SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY"})


class Contended(RuntimeError):
    """Somebody else was there first: the same work, run again, meets a settled state.

    `taken`: a unique key was. Where that is so time and again, nobody else is there: the work itself does not fit.
    """

    def __init__(self, code: str, *, taken: bool) -> None:
        super().__init__(code)
        self.code = code
        self.taken = taken


class RefusedByDatabase(RuntimeError):
    """Some value cannot be stored. `code` is the SQLSTATE, or the driver's name for it."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@contextmanager
def classified() -> Iterator[None]:
    """Round a transaction: turns the driver's exceptions into `Contended` and `RefusedByDatabase`.

    What is neither (no connection, no disk, a bug) passes through.
    """
    try:
        yield
    except IntegrityError as error:
        code = _code(error)
        if code == _UNIQUE_VIOLATION or code in _SQLITE_UNIQUE:
            raise Contended(code, taken=True) from error
        raise RefusedByDatabase(code) from error
    except (DBAPIError, PostgresError) as error:
        code = _code(error)
        if code == _UNIQUE_VIOLATION:
            raise Contended(code, taken=True) from error
        if code.startswith(_ROLLED_BACK):
            raise Contended(code, taken=False) from error
        if not code.startswith(_REFUSED):
            raise
        raise RefusedByDatabase(code) from error
    except StatementError as error:
        # The driver could not even encode a value.
        raise RefusedByDatabase(type(error.orig).__name__) from error
    except (TypeError, ValueError, ArithmeticError) as error:
        # Nor could we: no transport, lock or disk raises these.
        raise RefusedByDatabase(type(error).__name__) from error


def may_pass(error: BaseException) -> bool:
    """Whether the same transaction, run again, may succeed: no connection, or the server gave it up."""
    if isinstance(error, OSError | TimeoutError | Contended | InterfaceError | OperationalError | DriverError):
        return True
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    return isinstance(error, DBAPIError | PostgresError) and _code(error).startswith(_PASSING)


def _code(error: DBAPIError | PostgresError) -> str:
    original = error.orig if isinstance(error, DBAPIError) else error
    found = getattr(original, "sqlstate", None) or getattr(original, "sqlite_errorname", None)
    return str(found or type(original).__name__)
