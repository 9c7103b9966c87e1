"""The `replay` verb: hands over and prints. 0 equal, 1 the first difference was printed, 2 nothing could be compared."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from replay.verify import VerifyError, verify_vectors
from tape.format import TapeError


def run(arguments: argparse.Namespace) -> int:
    """arguments: run_folder, verify."""
    try:
        found = verify_vectors(Path(arguments.run_folder))
    except (VerifyError, TapeError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    lines = [f"vectors: {found.vectors} published, each equal to the recomputed one bit for bit"]
    if found.unpublished:
        lines.append(f"  {found.unpublished} events at the end had no vector yet when the run stopped")
    if found.difference is not None:
        lines = [
            f"vectors: {found.vectors} equal; the first difference is at ingest_seq {found.difference.ingest_seq}",
            f"  {found.difference.text}",
        ]
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return 0 if found.difference is None else 1
