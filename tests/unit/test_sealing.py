"""Secrets are opened by any of the sealing keys, sealed by the newest, and by nobody else's."""

import pytest

from gateway.sealing import (
    TOKEN_PREFIX,
    CannotOpen,
    Sealer,
    Signer,
    UnfitKey,
    hash_token,
    new_sealing_key,
    new_secret,
    new_token,
    split_keys,
)
from gateway.settings import Settings, load_settings

OLD, NEW = new_sealing_key(), new_sealing_key()
SECRET = b"\x00 what signs \xff"


def test_what_is_sealed_is_opened_and_not_readable():
    sealer = Sealer([OLD])
    assert SECRET not in sealer.seal(SECRET)
    assert sealer.open(sealer.seal(SECRET)) == SECRET
    assert sealer.seal(SECRET) != sealer.seal(SECRET)


def test_a_new_key_before_the_old_one_opens_what_either_sealed_and_seals_with_itself():
    sealed = Sealer([OLD]).seal(SECRET)
    both = Sealer([NEW, OLD])
    assert both.open(sealed) == SECRET
    again = both.seal(both.open(sealed))
    assert Sealer([NEW]).open(again) == SECRET
    with pytest.raises(CannotOpen):
        Sealer([OLD]).open(again)


@pytest.mark.parametrize(
    "sealed", [Sealer([OLD]).seal(SECRET), b"", b"no seal", b"\xff" * 80], ids=["anothers", "empty", "text", "bytes"]
)
def test_what_no_key_opens_is_an_error_that_says_nothing_of_it(sealed):
    with pytest.raises(CannotOpen) as failed:
        Sealer([NEW]).open(sealed)
    assert "GATEWAY_SECRET_KEYS" in str(failed.value)
    assert OLD not in str(failed.value)
    assert NEW not in str(failed.value)


@pytest.mark.parametrize("key", ["short", "ä" * 44, OLD + OLD, OLD[:-4]], ids=["short", "not_ascii", "twice", "cut"])
def test_a_sealing_key_that_is_none_is_named_by_its_place_alone(key):
    with pytest.raises(UnfitKey) as failed:
        Sealer([NEW, key])
    assert "key 2 " in str(failed.value)
    assert key not in str(failed.value)


def test_secrets_and_tokens_are_new_each_time_and_have_their_shape():
    assert len({new_secret() for _ in range(9)} | {new_token() for _ in range(9)}) == 18
    assert len(bytes.fromhex(new_secret())) == 32
    token = new_token()
    assert token.startswith(TOKEN_PREFIX)
    assert token.replace("-", "").replace("_", "").isalnum()
    assert len(hash_token(token)) == 64
    assert hash_token(token) == hash_token(token) != hash_token(new_token())


def test_settings_take_a_list_and_make_its_sealer(monkeypatch):
    monkeypatch.setenv("GATEWAY_SECRET_KEYS", f" {NEW} , {OLD},")
    settings = load_settings()
    assert isinstance(settings, Settings)
    assert settings.sealer.open(Sealer([OLD]).seal(SECRET)) == SECRET
    assert split_keys("a, b,,") == ("a", "b")


@pytest.mark.parametrize("none", ["", "  "], ids=["empty", "blank"])
def test_no_keys_are_no_sealer(monkeypatch, none):
    monkeypatch.setenv("GATEWAY_SECRET_KEYS", none)
    assert load_settings().sealer is None


@pytest.mark.parametrize("wrong", [f"{NEW},hush", ",", "hush"], ids=["second", "none", "only"])
def test_wrong_keys_are_told_by_the_name_of_the_variable_and_not_by_their_value(monkeypatch, wrong):
    monkeypatch.setenv("GATEWAY_SECRET_KEYS", wrong)
    (told,) = load_settings()
    assert told.startswith("GATEWAY_SECRET_KEYS: ")
    assert "hush" not in told
    assert NEW not in told


def test_a_signature_is_good_for_its_purpose_and_its_text_only():
    signer = Signer([new_sealing_key()])
    signature = signer.sign("form", "A-1")
    assert signer.is_signed("form", "A-1", signature)
    assert not signer.is_signed("state", "A-1", signature)
    assert not signer.is_signed("form", "A-2", signature)
    assert not signer.is_signed("form", "A-1", signature[:-1])
    assert not signer.is_signed("form", "A-1", "")


def test_the_newest_key_signs_and_every_key_verifies():
    old, new = new_sealing_key(), new_sealing_key()
    both = Signer([new, old])
    assert both.is_signed("form", "A-1", Signer([old]).sign("form", "A-1"))
    assert both.sign("form", "A-1") == Signer([new]).sign("form", "A-1")
    assert not Signer([old]).is_signed("form", "A-1", both.sign("form", "A-1"))
