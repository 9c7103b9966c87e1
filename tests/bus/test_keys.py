"""Keys of a run: made once, private, refused with the file's name when they are not what they should be."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import pytest

from bus import keys


def test_made_keys_load_and_match(tmp_path: Path) -> None:
    keys.make_run_keys(tmp_path / "keys", ["ml", "execution"])
    publisher = keys.load_publisher_keys(tmp_path / "keys", "ml")
    subscriber = keys.load_subscriber_keys(tmp_path / "keys", ["ml", "execution"])
    assert publisher.allowed == {subscriber.own.public}
    assert subscriber.servers["ml"] == publisher.own.public
    assert subscriber.servers["execution"] != publisher.own.public
    assert len({publisher.own.secret, subscriber.own.secret}) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="mode bits do nothing on Windows")
def test_files_are_private(tmp_path: Path) -> None:
    keys.make_run_keys(tmp_path / "keys", ["ml"])
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "keys").iterdir()}
    assert modes == {"ml.key": 0o600, "client.key": 0o600}


def test_keys_are_never_made_twice(tmp_path: Path) -> None:
    keys.make_run_keys(tmp_path, ["ml"])
    before = (tmp_path / "client.key").read_bytes()
    with pytest.raises(FileExistsError):
        keys.make_run_keys(tmp_path, ["ml"])
    assert (tmp_path / "client.key").read_bytes() == before


def test_missing_and_damaged_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(keys.KeyFileError, match=r"ml\.key"):
        keys.load_publisher_keys(tmp_path, "ml")
    keys.make_run_keys(tmp_path, ["ml"])
    (tmp_path / "ml.key").write_bytes(b"short\n")
    with pytest.raises(keys.KeyFileError, match=r"ml\.key is not a key file"):
        keys.load_publisher_keys(tmp_path, "ml")


def test_repr_hides_the_secret() -> None:
    pair = keys.new_pair()
    assert pair.secret.decode() not in repr(pair)
    assert pair.public.decode() in repr(pair)
