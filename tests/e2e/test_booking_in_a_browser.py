"""A booking made in a real browser without JavaScript becomes an offer, and its state page follows it."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from contextlib import asynccontextmanager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import orjson
import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

from gateway.children import free_port
from tests.browsers import opened_browser
from tests.edge import is_ready
from tests.eventually import eventually
from tests.inbound import LAKESIDE
from tests.keys import SEALING_KEY

pytestmark = [pytest.mark.timeout(300), pytest.mark.usefixtures("_browser")]

CHOSEN = {"state": "MN"}
TYPED = {
    "problem": "The dishwasher leaks <b>badly</b>.",
    "name": "Bo Berg",
    "phone": "218 555 0123",
    "street_1": "12 Lake Avenue",
    "city": "Duluth",
    "postal_code": "55802",
}


@pytest.fixture
def environment(staffed_url):
    return {
        **os.environ,
        "GATEWAY_DATABASE_URL": staffed_url,
        "GATEWAY_KAFKA_SERVERS": "127.0.0.1:9",
        "GATEWAY_HTTP_PORT": str(free_port()),
        "GATEWAY_SECRET_KEYS": SEALING_KEY,
    }


async def make_key(environment):
    run = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "keys", "create", "--organization", LAKESIDE, "--json"),
        env=environment,
        stdout=subprocess.PIPE,
    )
    said, _ = await run.communicate()
    return orjson.loads(said)["token"]


@asynccontextmanager
async def running(environment):
    """Lakeside's client of the running edge; the process ends well."""
    token = await make_key(environment)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "run", "--role", "edge", "--role", "clock"), env=environment
    )
    place = f"http://127.0.0.1:{environment['GATEWAY_HTTP_PORT']}"
    try:
        async with httpx.AsyncClient(base_url=place, headers={"Authorization": f"Bearer {token}"}) as client:
            await eventually(lambda: is_ready(client), within=60)
            yield client
    finally:
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 30) == 0


async def records(environment, message):
    """What came in of that type."""
    listed = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "records", "list", "--json"), env=environment, stdout=subprocess.PIPE
    )
    found = orjson.loads((await listed.communicate())[0])
    return [record for record in found if record["type"] == message]


async def put(client, environment, **members):
    """Lakeside says something of itself; an organization has the number of the record that it came by."""
    [first] = await records(environment, "organization.put")
    answer = await client.put(f"/v1/organizations/{first['id'].replace('rec', 'org')}", json=members)
    assert answer.json()["outcome"] == "applied", answer.text


async def accept(client, environment):
    """Lakeside takes the one job there is, with a first visit."""
    [job] = {record["job"] for record in await records(environment, "booking.request")}
    window = {"start": "2027-01-05T15:00:00Z", "end": "2027-01-05T18:00:00Z"}
    visit = {"start": window["start"], "window": window}
    answer = await client.post(f"/v1/offers/{job}/accept", json={"appointment": visit})
    assert answer.json()["outcome"] == "applied", answer.text


def fill_in(browser, typed, chosen):
    for name, text in typed.items():
        browser.find_element(By.ID, name).send_keys(text)
    for name, value in chosen.items():
        Select(browser.find_element(By.ID, name)).select_by_value(value)


def send(browser):
    browser.find_element(By.CSS_SELECTOR, "button[type=submit]").click()


async def shows(browser, text):
    """Waits until the page says `text`. Asked for in one question: between two the page may be another."""
    said = f'//main[contains(normalize-space(.), "{text}")]'
    await eventually(lambda: browser.find_elements(By.XPATH, said), within=60)


def check_shape(browser):
    """The page fits a narrow screen, and says in words what every field is."""
    size = {"width": 320, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 320
    fields = browser.find_elements(By.CSS_SELECTOR, "input:not([type=hidden]), select, textarea")
    assert len(fields) > len(TYPED)
    for field in fields:
        assert browser.execute_script("return arguments[0].labels.length", field), field.get_attribute("id")
        assert not field.get_attribute("placeholder")


async def test_a_booking_made_without_javascript_is_followed_by_its_page(environment):
    async with running(environment) as client:
        with opened_browser(javascript=False) as browser:
            form = f"{client.base_url}/book/harborline"
            browser.get(form)
            check_shape(browser)
            fill_in(browser, {"problem": TYPED["problem"], "phone": "555-01"}, {})
            send(browser)
            await shows(browser, "Please have another look")
            assert browser.switch_to.active_element.get_attribute("id") == "summary"
            assert browser.find_element(By.ID, "problem").get_attribute("value") == TYPED["problem"]
            browser.find_element(By.CSS_SELECTOR, "#summary a[href='#phone']").click()
            assert browser.switch_to.active_element.get_attribute("id") == "phone"
            browser.get(form)
            fill_in(browser, TYPED, {**CHOSEN, "service_type": "appliance"})
            browser.find_element(By.CSS_SELECTOR, "label[for=consent]").click()
            send(browser)
            await shows(browser, "Waiting for an answer")
            browser.refresh()
            browser.back()
            await shows(browser, "Book a visit")
            send(browser)
            await shows(browser, "Waiting for an answer")
            await accept(client, environment)
            browser.find_element(By.LINK_TEXT, "Look again").click()
            await shows(browser, "arrival between 9:00 am and 12:00 pm")
            await shows(browser, "Lakeside Appliance")
            await shows(browser, "Scheduled")


async def test_a_booking_is_made_in_a_frame_of_a_site_that_may_show_it_and_of_no_other(environment):
    async with running(environment) as client:
        source = f"{client.base_url}/book/{LAKESIDE}?embedded=1"
        frame = f'<title>Lakeside</title><iframe src="{source}" width=600 height=900></iframe>'
        with website(frame) as friend, website(frame) as stranger:
            page = {"timezone": "America/Chicago", "frame_ancestors": [friend]}
            await put(client, environment, booking_page=page)
            with opened_browser() as browser:
                browser.get(stranger)
                browser.switch_to.frame(0)
                assert not browser.find_elements(By.TAG_NAME, "form")
                browser.get(friend)
                browser.switch_to.frame(0)
                fill_in(browser, TYPED, CHOSEN)
                browser.find_element(By.ID, "consent").click()
                send(browser)
                await shows(browser, "Waiting for an answer")
                assert not browser.find_elements(By.TAG_NAME, "header")
                kept = browser.find_element(By.LINK_TEXT, "the address of this page")
                assert kept.get_attribute("target") == "_blank"
        await accept(client, environment)


@contextmanager
def website(page):
    """Another site, on this machine: its address, while it serves this one page."""

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(page.encode())

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
