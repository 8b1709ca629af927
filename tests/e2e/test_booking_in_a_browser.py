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
        "GATEWAY_KAFKA_SERVERS": "off",
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


async def is_ready(client):
    try:
        return (await client.get("/readyz")).status_code == 200
    except httpx.TransportError:
        return False


async def put(client, **members):
    answer = await client.put(f"/v1/organizations/{LAKESIDE}", json=members)
    assert answer.json()["outcome"] == "applied", answer.text


async def accept(client, environment):
    """Lakeside takes the one job there is, with a first visit."""
    listed = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "records", "list", "--json"), env=environment, stdout=subprocess.PIPE
    )
    records = orjson.loads((await listed.communicate())[0])
    [job] = {record["job"] for record in records if record["type"] == "booking.request"}
    visit = {
        "start": "2027-01-05T15:00:00Z",
        "window": {"start": "2027-01-05T15:00:00Z", "end": "2027-01-05T18:00:00Z"},
    }
    answer = await client.post(f"/v1/offers/{job}/accept", json={"appointment": visit})
    assert answer.json()["outcome"] == "applied", answer.text


def fill_in(browser, typed, chosen):
    for name, text in typed.items():
        browser.find_element(By.ID, name).clear()
        browser.find_element(By.ID, name).send_keys(text)
    for name, value in chosen.items():
        Select(browser.find_element(By.ID, name)).select_by_value(value)


def send(browser):
    before = browser.find_element(By.TAG_NAME, "html")
    browser.find_element(By.CSS_SELECTOR, "button[type=submit]").click()
    return before


def text_of(browser):
    return browser.find_element(By.TAG_NAME, "main").text


async def test_a_booking_made_without_javascript_is_followed_by_its_page(environment):
    async with running(environment) as client:
        with opened_browser(javascript=False) as browser:
            browser.get(f"{client.base_url}/book/harborline")
            fill_in(browser, {**TYPED, "phone": "555-01"}, {**CHOSEN, "service_type": "appliance"})
            send(browser)
            await eventually(lambda: "area code" in text_of(browser))
            assert browser.switch_to.active_element.get_attribute("id") == "summary"
            assert browser.find_element(By.ID, "problem").get_attribute("value") == TYPED["problem"]
            browser.find_element(By.LINK_TEXT, browser.find_element(By.CSS_SELECTOR, "#summary a").text).click()
            assert browser.switch_to.active_element.get_attribute("id") == "phone"
            fill_in(browser, {"phone": TYPED["phone"]}, {})
            browser.find_element(By.CSS_SELECTOR, "label[for=consent]").click()
            send(browser)
            await eventually(lambda: "Waiting for an answer" in text_of(browser))
            browser.refresh()
            browser.back()
            await eventually(lambda: "Book a visit" in text_of(browser))
            send(browser)
            await eventually(lambda: "Waiting for an answer" in text_of(browser))
            await accept(client, environment)
            browser.find_element(By.LINK_TEXT, "Look again").click()
            await eventually(lambda: "arrival between 9:00 am and 12:00 pm" in text_of(browser))
            assert "Lakeside Appliance" in text_of(browser)
            assert "Scheduled" in text_of(browser)
            assert browser.execute_script("return 1") == 1, "scripts of the driver are no scripts of the page"


async def test_a_booking_is_made_in_a_frame_of_a_site_that_may_show_it_and_of_no_other(environment):
    async with running(environment) as client:
        frame = (
            f'<title>Lakeside</title><iframe src="{client.base_url}/book/{LAKESIDE}?embedded=1" width=600 height=900>'
        )
        with website(frame) as friend, website(frame) as stranger:
            page = {"timezone": "America/Chicago", "frame_ancestors": [friend]}
            await put(client, booking_page=page)
            with opened_browser() as browser:
                browser.get(stranger)
                browser.switch_to.frame(0)
                assert not browser.find_elements(By.TAG_NAME, "form")
                browser.get(friend)
                browser.switch_to.frame(0)
                fill_in(browser, TYPED, CHOSEN)
                browser.find_element(By.ID, "consent").click()
                send(browser)
                await eventually(lambda: "Waiting for an answer" in text_of(browser))
                assert not browser.find_elements(By.TAG_NAME, "header")
                assert (
                    browser.find_element(By.LINK_TEXT, "the address of this page").get_attribute("target") == "_blank"
                )
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


@pytest.mark.parametrize("path", ["/book/harborline", "/book/nobody"])
async def test_the_page_fits_a_narrow_screen_and_says_what_every_field_is(environment, path):
    async with running(environment) as client:
        with opened_browser() as browser:
            size = {"width": 320, "height": 800, "deviceScaleFactor": 1, "mobile": False}
            browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            browser.get(f"{client.base_url}{path}")
            assert browser.execute_script("return document.documentElement.scrollWidth") <= 320
            assert browser.find_element(By.TAG_NAME, "html").get_attribute("lang") == "en"
            for field in browser.find_elements(By.CSS_SELECTOR, "input:not([type=hidden]), select, textarea"):
                assert browser.execute_script("return arguments[0].labels.length", field), field.get_attribute("id")
                assert not field.get_attribute("placeholder")
