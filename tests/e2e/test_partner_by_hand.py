"""`gateway simulate brand` and `gateway certify` as their users meet them: a partner's process, and its certificate."""

import json
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest

from tests.e2e.test_cli import DONE, NOT_SO, ROOT, USAGE, Terminal
from tests.partner_webhook import SECRET, signed, text_with_webhook

EVENT = b'{"specversion":"1.0","type":"job.amended.v1","subject":"job-3","jobversion":2,"jobprevious":%d}'
SECONDS = 60


@contextmanager
def partner(*words, ends=DONE):
    """`gateway simulate brand` as a process: its webhook's address, and later all that it said."""
    argv = [sys.executable, "-m", "gateway.simulation", "brand", "--port", "0", "--secret", SECRET, *words]
    said = []
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True) as running:
        try:
            said.append(re.match(r"listening at (\S+);", running.stdout.readline()).group(1))
            yield said
            running.send_signal(signal.SIGTERM)
            said.append(json.loads(running.communicate(timeout=SECONDS)[0]))
            assert running.returncode == ends
        finally:
            running.kill()


@pytest.fixture
def terminal(tmp_path, sqlite_url):
    inside = {"WEBHOOK_PLAIN": "true", "WEBHOOK_NETWORKS": "127.0.0.0/8,::1"}
    return Terminal(tmp_path, DATABASE_URL=sqlite_url, **inside)


def import_webhook(terminal, url, **members):
    text = text_with_webhook("harborline", url, **members)
    (terminal.folder / "profile.v1.yaml").write_text(text, encoding="utf-8")
    terminal.run("brands", "import", "profile.v1.yaml")


def post(url, body, message_id):
    with urlopen(Request(url, body, signed(body, message_id=message_id)), timeout=SECONDS) as answer:
        return answer.status


def test_at_its_end_a_simulated_brand_tells_what_it_got(tmp_path):
    with partner("--record", str(tmp_path / "seen"), "--confirm", "--seed", "3") as said:
        [url] = said
        assert post(url, EVENT % 0, "evt-1") == 200
        assert post(url, EVENT % 0, "evt-1") == 200
    told = said[1]
    assert (told["received"], told["duplicate"], told["gap"], told["well"]) == (2, 1, 0, True)
    assert [json.loads(line)["place"] for line in (tmp_path / "seen").read_text().splitlines()] == [
        "in_order",
        "duplicate",
    ]


def test_where_something_was_wrong_its_exit_code_says_so():
    with partner(ends=NOT_SO) as said:
        post(said[0], EVENT % 1, "evt-1")
    assert said[1]["gap"] == 1


def test_a_partner_is_certified_and_gets_a_report(terminal, tmp_path):
    with partner("--confirm", ends=NOT_SO) as said:
        import_webhook(terminal, said[0], sandbox="true", confirms="{by: answer}")
        told = terminal.run("certify", "harborline", "--secret", SECRET, "--report", "report.md")
        document = terminal.ask("certify", "harborline", "--secret", SECRET)
    listed, _, judged = told.partition("\npassed ")
    assert "event.job.offered" in listed
    assert "event.job.offered" in judged
    assert "answers.no_redirect" in listed
    report = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert report.startswith("# Webhook of harborline: passed\n")
    assert (document["passed"], document["destination"]) == (True, "feed.harborline.web")
    assert {row["verdict"] for row in document["items"] if row["item"] != "tls"} == {"passed"}
    assert terminal.ask("ledger")["outbound"]["total"] == 0, "nothing is written to deliveries"
    assert said[1]["wrong_signature"] == 4, "which is what a partner is tried with"


def test_a_partner_with_a_mistake_is_not_certified(terminal):
    with partner("--flaw", "ignores_age", ends=NOT_SO) as said:
        import_webhook(terminal, said[0])
        named = ["--destination", "feed.harborline.web", "--secret", SECRET]
        told = terminal.run("certify", "harborline", *named, code=NOT_SO)
    assert re.search(r"^failed +timestamp.old +200", told, re.MULTILINE)


def test_over_tls_with_an_authority_of_its_own(terminal, tmp_path):
    ca_file = tmp_path / "ca.pem"
    with partner("--ca-file", str(ca_file), "--confirm", ends=NOT_SO) as said:
        terminal.variables |= {"GATEWAY_WEBHOOK_PLAIN": "false", "GATEWAY_WEBHOOK_CA_FILE": str(ca_file)}
        import_webhook(terminal, said[0], sandbox="true", confirms="{by: answer}")
        document = terminal.ask("certify", "harborline", "--secret", SECRET)
    assert said[0].startswith("https://localhost:")
    assert {row["verdict"] for row in document["items"]} == {"passed"}


@pytest.mark.parametrize(
    ("words", "told", "code"),
    [
        (["nobody", "--secret", SECRET], "no profile of nobody is in force", NOT_SO),
        (["harborline", "--secret", SECRET], "has no webhook for test work (sandbox)", USAGE),
        (["harborline", "--destination", "feed.x", "--secret", SECRET], "it has feed.harborline.web", USAGE),
        (["harborline", "--destination", "feed.harborline.web"], "--secret", NOT_SO),
    ],
    ids=["no_profile", "no_sandbox", "no_such_webhook", "no_secret"],
)
def test_what_cannot_be_certified_is_said(terminal, words, told, code):
    import_webhook(terminal, "https://partner.example/hooks")
    assert told in terminal.run("certify", *words, code=code)


def test_http_is_not_certified_where_it_is_not_allowed(terminal):
    import_webhook(terminal, "http://partner.example/hooks", sandbox="true")
    terminal.variables["GATEWAY_WEBHOOK_PLAIN"] = "false"
    assert "is not at https://" in terminal.run("certify", "harborline", "--secret", SECRET, code=NOT_SO)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--offers", "3"], "--offers needs --token and --brand"),
        (["--certificate", "x.pem"], "--certificate and --key go together"),
        (["--behaviour", "dance"], "'dance' is not one of"),
        (["--secret", "whsec_?"], "--secret is whsec_ and base64"),
    ],
    ids=["offers", "certificate", "behaviour", "secret"],
)
def test_a_simulated_brand_says_what_it_does_not_understand(tmp_path, words, told):
    assert told in Terminal(tmp_path).run("simulate", "brand", *words, code=USAGE)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--record", "nowhere/seen"], "nowhere/seen: No such file"),
        (["--certificate", "nowhere.pem", "--key", "nowhere.pem"], "No such file"),
        (["--offers", "1", "--token", "t", "--brand", "b", "--url", "localhost"], "localhost is no address"),
        (["--offers", "1", "--token", "t", "--brand", "b", "--url", "http://a:99999"], "is no address"),
    ],
    ids=["record", "certificate", "address", "port"],
)
def test_a_simulated_brand_that_cannot_begin_says_why_in_a_line(tmp_path, words, told):
    said = Terminal(tmp_path).run("simulate", "brand", "--port", "0", *words, code=NOT_SO)
    assert told in said
    assert "Traceback" not in said


def test_two_simulated_brands_do_not_listen_at_one_port(tmp_path):
    with partner() as said:
        port = str(urlsplit(said[0]).port)
        told = Terminal(tmp_path).run("simulate", "brand", "--port", port, code=NOT_SO)
    assert f"cannot begin: 127.0.0.1:{port}" in told
    assert "Traceback" not in told


def test_careless_offers_are_sent_to_a_gateway_alone(tmp_path):
    with partner(ends=NOT_SO) as said:
        words = ["--offers", "1", "--token", "t", "--brand", "b", "--url", said[0]]
        told = Terminal(tmp_path).run("simulate", "brand", *words, code=NOT_SO)
    assert "does not answer as a gateway does" in told


@pytest.mark.parametrize(
    ("words", "told", "code"),
    [
        (["--secret", "nonsense"], "a signing secret begins with whsec_", USAGE),
        (["--secret", SECRET, "--report", "nowhere/report.md"], "nowhere/report.md: No such file", NOT_SO),
    ],
    ids=["secret", "report"],
)
def test_what_would_spoil_a_trial_is_said_before_anything_is_sent(terminal, words, told, code):
    with partner() as said:
        import_webhook(terminal, said[0], sandbox="true")
        assert told in terminal.run("certify", "harborline", *words, code=code)
    assert said[1]["received"] == 0
