"""The README's way by HTTP, typed as it stands there: only the port is another."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.children import free_port

ROOT = Path(__file__).parents[2]
# Whatever the commands end with, what they have started ends too.
AROUND = "set -eu\ntrap 'kill $!; wait $! || true' EXIT\n"


def the_commands():
    section = (ROOT / "README.md").read_text(encoding="utf-8").partition("\n## By HTTP\n")[2].partition("\n## ")[0]
    lines = [line.removeprefix("    ") for line in section.splitlines() if line.startswith("    ")]
    assert len(lines) <= 10
    return "\n".join(lines) + "\n"


@pytest.mark.timeout(240)
def test_a_key_is_made_an_offer_posted_and_its_update_polled(curl, tmp_path):
    port = str(free_port())
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")},
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "GATEWAY_DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path / 'gateway.db'}",
        "GATEWAY_HTTP_PORT": port,
    }
    run = subprocess.run(
        ["bash", "-c", AROUND + the_commands().replace("8080", port)],
        check=False,
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
    )
    said = run.stdout
    assert run.returncode == 0, said + run.stderr
    assert '"outcome":"applied"' in said
    assert '"Put":{"job":{' in said
    assert '"external_id":"A-1"' in said
