"""The settings of a booking page: what a profile may say, and what would open the page to others."""

import pytest
from pydantic import ValidationError

from gateway.mapping.booking_page import BookingPage, BrandsPage

USUAL = {"title": "Harborline", "phone": "+1 218 555 0142", "timezone": "America/Chicago"}


@pytest.mark.parametrize("missing", USUAL)
def test_a_brand_has_nobody_else_to_take_these_from(missing):
    with pytest.raises(ValidationError):
        BrandsPage.model_validate({name: value for name, value in USUAL.items() if name != missing})
    assert BrandsPage.model_validate(USUAL).frame_ancestors == ()
    assert BookingPage.model_validate({}).country == "US"


@pytest.mark.parametrize("zone", ["Chicago", "../etc/passwd", "America/", "", 5])
def test_a_time_zone_that_nobody_knows_is_refused(zone):
    with pytest.raises(ValidationError):
        BookingPage.model_validate({"timezone": zone})


@pytest.mark.parametrize(
    "origin",
    ["*", "https://a.example; script-src *", "https://a.example b", "javascript:x", "a.example", "https://a.example/x"],
)
def test_a_site_that_is_none_is_refused(origin):
    with pytest.raises(ValidationError):
        BookingPage.model_validate({"frame_ancestors": [origin]})


@pytest.mark.parametrize("origin", ["https://a.example", "https://*.a.example", "http://127.0.0.1:8081"])
def test_a_site_may_be_named_with_its_port_or_with_all_below_it(origin):
    assert BookingPage.model_validate({"frame_ancestors": [origin]}).frame_ancestors == (origin,)
