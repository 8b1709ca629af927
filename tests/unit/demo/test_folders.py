"""What demos leave behind goes when the next one begins, and nothing else does."""

from gateway.demo.folders import kept_secret_keys, own_folder
from gateway.sealing import Sealer


def test_the_folder_of_a_demo_stays_until_the_next_one_begins(tmp_path):
    root = tmp_path / "demo"
    with own_folder(root) as first:
        (first / "gateway.log").write_text("what happened")
    assert first.is_dir()
    with own_folder(root) as second:
        assert not first.exists()
    assert second.is_dir()


def test_a_demo_that_runs_keeps_its_folder(tmp_path):
    with own_folder(tmp_path) as one, own_folder(tmp_path) as other:
        assert one.is_dir()
        assert other.is_dir()


def test_what_no_demo_made_is_left_alone(tmp_path):
    kept = [tmp_path / "notes", tmp_path / "20260101-120000-beef.txt"]
    kept[0].mkdir()
    kept[1].write_text("mine")
    left = tmp_path / "20260101-120000-beef"
    left.mkdir()
    with own_folder(tmp_path):
        assert all(one.exists() for one in kept)
        assert not left.exists()


def test_the_key_that_seals_is_made_once_and_for_its_owner_alone(tmp_path):
    made = kept_secret_keys(tmp_path)
    assert Sealer([made]).open(Sealer([made]).seal(b"x")) == b"x"
    assert kept_secret_keys(tmp_path) == made
    (file,) = tmp_path.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    with own_folder(tmp_path):
        assert file.exists()
