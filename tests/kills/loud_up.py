"""`supervisor.py` with the campaigns' children: `loud_up.py up ...` is `supervisor.py up ...`, but the agents never hold back."""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    import runtime.launcher
    import supervisor

    runtime.launcher.CHILD = "tests.kills.child"
    sys.exit(supervisor.main(sys.argv[1:]))
