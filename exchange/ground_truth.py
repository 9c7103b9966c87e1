"""What was really in a generated market: each episode that was planted, each decoy, and what happened by itself.

The exchange appends one JSON line per episode, when it is over, to `ground_truth.jsonl` in the run's folder; a generated
tape has the file inside. Detectors are judged by it; nothing of the pipeline may read it while the market runs.

    side     of the participant that the pattern speaks for: the absorber, the owner of the iceberg, who sweeps, the side
             that stays when the other withdraws, buy for P and sell for b, buy for an unfinished high, and who wins after
             a stop run (sell when stops above the highs were run)
    price    where it stands: the absorbed price, the iceberg's, the last of a sweep, the anchor of the others
    volume   traded by the episode's own orders; of a withdrawal: what was taken out of the book
    decoy    the same volume without the pattern
    planted  false: it came about in the background (sweeps and icebergs of ordinary parent orders)
"""

from __future__ import annotations

from pathlib import Path

import msgspec

FILE_NAME = "ground_truth.jsonl"
KINDS = (
    "absorption", "iceberg", "sweep", "withdrawal", "p_profile", "b_profile", "unfinished_auction", "stop_run",
)  # fmt: skip
ABSORPTION, ICEBERG, SWEEP, WITHDRAWAL, P_PROFILE, B_PROFILE, UNFINISHED_AUCTION, STOP_RUN = range(8)


class BadTruth(ValueError):
    """A file of the ground truth that cannot be read; the message names the file and the line."""


class Episode(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of the file. Times are market time, ns UTC; price in points; volume in lots."""

    kind: str
    side: str  # buy or sell
    symbol: str
    start_ns: int
    end_ns: int
    price: float
    volume: int
    decoy: bool
    planted: bool


class TruthFile:
    """Appends episodes to the file of a folder; the file appears with the first one."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE_NAME

    def append(self, episode: Episode) -> None:
        """Write one line, whole and at once."""
        with open(self.path, "ab", buffering=0) as file:
            file.write(msgspec.json.encode(episode) + b"\n")


def read(place: Path) -> list[Episode]:
    """The episodes of a file, of a generated tape's folder, or of a run (its folder, or the tape in it), by start.

    Raises FileNotFoundError when there is none, BadTruth when a line is not an episode. A last line without its end, left by
    a killed writer, is passed over.
    """
    candidates = [place] if place.is_file() else [place / FILE_NAME, place.parent / FILE_NAME]
    path = next((each for each in candidates if each.is_file()), None)
    if path is None:
        raise FileNotFoundError(f"{place}: no {FILE_NAME} there or beside it")
    out = []
    lines = path.read_bytes().split(b"\n")
    for number, line in enumerate(lines[:-1], 1):
        try:
            episode = msgspec.json.decode(line, type=Episode)
        except msgspec.DecodeError as error:
            raise BadTruth(f"{path}, line {number}: {error}") from error
        if episode.kind not in KINDS or episode.side not in ("buy", "sell"):
            raise BadTruth(f"{path}, line {number}: {episode.kind} {episode.side} is no episode")
        out.append(episode)
    return sorted(out, key=lambda episode: (episode.start_ns, episode.end_ns))
