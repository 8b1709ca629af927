"""A visitor of booking pages for tests: opens the form, types, sends, and reads what the page says."""

import re
from datetime import UTC, datetime
from html.parser import HTMLParser

from gateway.inbound.http.booking.desk import Desk, Limits
from gateway.sealing import Signer
from tests.keys import SEALING_KEY

# A Friday noon in Duluth; dates are typed as a person there would.
NOON = datetime(2027, 3, 12, 18, 0, tzinfo=UTC)
OTHER_KEY = "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA="
LAKESIDES_PAGE = {"timezone": "America/Chicago", "phone": "(218) 555-0100"}
FILLED = {
    "name": "Bo Berg",
    "phone": "(218) 555-0123",
    "email": "bo@example.com",
    "street_1": "12 Lake Avenue",
    "street_2": "Apt 4",
    "city": "Duluth",
    "state": "MN",
    "postal_code": "55802",
    "service_type": "appliance",
    "problem": "The dishwasher leaks.\nSince Monday.",
    "consent": "yes",
}


class _Page(HTMLParser):
    """The fields of a page with what stands in them, its text, and its elements by id."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self.attributes: dict[str, dict[str, str | None]] = {}
        self.texts: list[str] = []
        self.by_id: dict[str, str] = {}
        self._open: list[str | None] = []
        self._select: str | None = None
        self._textarea: str | None = None

    def handle_starttag(self, tag, attrs):
        told = dict(attrs)
        if told.get("id"):
            self.attributes[told["id"]] = {"tag": tag, **told}
        if tag == "input":
            self._read_input(told)
        elif tag == "select":
            self._select = told["name"]
            self.fields[self._select] = ""
        elif tag == "option" and "selected" in told:
            self.fields[self._select] = told["value"]
        elif tag == "textarea":
            self._textarea = told["name"]
            self.fields[self._textarea] = ""
        if tag not in {"input", "meta", "br"}:
            self._open.append(told.get("id"))

    def _read_input(self, told):
        if told.get("type") == "checkbox":
            if "checked" in told:
                self.fields[told["name"]] = told["value"]
            return
        self.fields[told["name"]] = told.get("value") or ""

    def handle_endtag(self, tag):
        if tag == "textarea":
            # Browsers pass over the line break after the opening tag.
            self.fields[self._textarea] = self.fields[self._textarea].removeprefix("\n")
            self._textarea = None
        if tag not in {"input", "meta", "br"}:
            self._open.pop()

    def handle_data(self, text):
        if self._textarea is not None:
            self.fields[self._textarea] += text
        self.texts.append(text)
        for name in filter(None, self._open):
            self.by_id[name] = self.by_id.get(name, "") + text


def parsed(answer) -> _Page:
    page = _Page()
    page.feed(answer.text)
    return page


def said(answer) -> str:
    """What can be read on a page, in one line."""
    return re.sub(r"\s+", " ", " ".join(parsed(answer).texts))


def fields_of(answer) -> dict[str, str]:
    """What stands in the fields of a page's form."""
    return parsed(answer).fields


def told_beside(answer, name: str) -> str | None:
    """The message beside a field, where the field says that it is described by one."""
    page = parsed(answer)
    field = page.attributes[name]
    if f"{name}-fault" not in (field.get("aria-describedby") or "").split():
        return None
    assert field.get("aria-invalid") == "true"
    return page.by_id[f"{name}-fault"].removeprefix("Error: ")


class Clock:
    """The time as the pages see it."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


def desks(road, clock):
    """What makes the desk of a gathering over a road's database."""

    def make(gathering, *, limits=Limits(), keys=(SEALING_KEY,)):  # noqa: B008 - a frozen value
        signer = Signer(keys) if keys else None
        return Desk(road.database, gathering, lambda: road.gateway.keeper.directory, signer, limits, clock)

    return make


class Visitor:
    """Somebody at one page. `client` speaks to the edge; it follows no redirection by itself."""

    def __init__(self, client, page: str = "harborline") -> None:
        self.client = client
        self.address = f"/book/{page}"

    async def open(self, **query):
        return await self.client.get(self.address, params=query)

    async def send(self, fields, **query):
        """Posts a form as a browser does."""
        return await self.client.post(self.address, data=fields, params=query)

    async def book(self, **changed):
        """Opens the form, fills it in with what is usual but for `changed`, and sends it."""
        token = fields_of(await self.open())["token"]
        return await self.send({**FILLED, **changed, "token": token})

    async def follow(self, answer):
        """The page that a sent form leads to."""
        assert answer.status_code == 303, said(answer)
        return await self.client.get(answer.url.join(answer.headers["Location"]))
