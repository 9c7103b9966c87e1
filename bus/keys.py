"""The CURVE keys of one run: made once by the launcher, stored readable by their owner alone, loaded by each stage.

Every publisher has its own pair, so a subscriber knows whom it hears; all subscribers of the run share the client
pair, whose public half is the publishers' allow-list. Keys of an earlier run open nothing in this one. Never log a
secret: `repr` of a pair shows the public half only.

On Windows the mode bits do nothing: there the run folder's inherited access list keeps other users out.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import zmq

CLIENT = "client"
KEY_LENGTH = 40  # Z85 text of 32 bytes


class KeyFileError(OSError):
    """A key file is missing or is not one; the message says which and what to do."""


@dataclass(frozen=True)
class KeyPair:
    """One CURVE pair in Z85 text."""

    public: bytes
    secret: bytes = field(repr=False)


@dataclass(frozen=True)
class PublisherKeys:
    """What a publisher needs: its own pair and the public keys that may listen."""

    own: KeyPair
    allowed: frozenset[bytes]


@dataclass(frozen=True)
class SubscriberKeys:
    """What a subscriber needs: the client pair and the public key of each source it listens to."""

    own: KeyPair
    servers: dict[str, bytes]


def new_pair() -> KeyPair:
    """A fresh pair from libzmq's own generator."""
    public, secret = zmq.curve_keypair()
    return KeyPair(public, secret)


def make_run_keys(folder: Path, publishers: Iterable[str]) -> None:
    """Write `client.key` and one `<publisher>.key` into `folder` (0700; files 0600).

    Raises FileExistsError when a key file is there already: a run's keys are made once.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name in (CLIENT, *publishers):
        _store(folder / f"{name}.key", new_pair())


def load_publisher_keys(folder: Path, name: str) -> PublisherKeys:
    """Raises KeyFileError naming the file that is missing or damaged."""
    return PublisherKeys(_load(folder / f"{name}.key"), frozenset({_load(folder / f"{CLIENT}.key").public}))


def load_subscriber_keys(folder: Path, sources: Iterable[str]) -> SubscriberKeys:
    """Raises KeyFileError naming the file that is missing or damaged."""
    servers = {source: _load(folder / f"{source}.key").public for source in sources}
    return SubscriberKeys(_load(folder / f"{CLIENT}.key"), servers)


def _store(path: Path, pair: KeyPair) -> None:
    # O_EXCL and the mode at creation: the file is never readable by others, not for an instant
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pair.public + b"\n" + pair.secret + b"\n")


def _load(path: Path) -> KeyPair:
    mend = "the launcher makes the keys of a run: start it again with `up`"
    try:
        lines = path.read_bytes().split()
    except FileNotFoundError as error:
        raise KeyFileError(f"no key file {path}; {mend}") from error
    if len(lines) != 2 or any(len(line) != KEY_LENGTH for line in lines):
        raise KeyFileError(f"{path} is not a key file (two lines of {KEY_LENGTH} characters); {mend}")
    return KeyPair(lines[0], lines[1])
