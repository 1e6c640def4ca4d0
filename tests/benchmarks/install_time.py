# SPDX-License-Identifier: MIT
"""Prints how long the backend's installation takes and how big it gets: ``python tests/benchmarks/install_time.py``.

Both sizes, with an empty and with a filled pip cache, and once more where everything is there.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from vibe_blender.client.environment import Home, folder_bytes, inspect
from vibe_blender.client.installation import Installation, Plan


def main() -> int:
    """The exit status: 1 where an installation failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", type=Path, default=Path(sys.executable), help="to make the environments with")
    parser.add_argument("--networks", action="store_true", help="also the size with the networks")
    parser.add_argument("--torch", choices=("auto", "cpu", "cuda"), default="auto", help="PyTorch's build")
    parser.add_argument("--offline", type=Path, metavar="DIR", help="install from a folder of wheels instead")
    options = parser.parse_args()
    sizes = [("default",), ("default", "networks")] if options.networks else [("default",)]
    print(f"{'parts':<18} {'Python':<8} {'downloads':<10} {'seconds':>8} {'MB on disk':>11} {'cache MB':>9}")
    for parts in sizes:
        plan = Plan(options.python, parts, options.torch, options.offline)
        with tempfile.TemporaryDirectory() as folder, _pip_cache(Path(folder) / "cache") as cache:
            for row in ("offline", "again") if options.offline else ("cold", "warm", "again"):
                if row != "again":
                    home = Home(Path(folder) / row)
                if not _measure(home, plan, row, cache):
                    return 1
    return 0


@contextmanager
def _pip_cache(folder: Path) -> Iterator[Path]:
    """pip keeps its downloads in a folder that is empty at first."""
    before = os.environ.get("PIP_CACHE_DIR")
    os.environ["PIP_CACHE_DIR"] = str(folder)
    try:
        yield folder
    finally:
        if before is None:
            del os.environ["PIP_CACHE_DIR"]
        else:
            os.environ["PIP_CACHE_DIR"] = before


def _measure(home: Home, plan: Plan, downloads: str, cache: Path) -> bool:
    installation = Installation(home, plan)
    while not installation.wait(1.0):
        pass
    if installation.error is not None:
        print(f"{installation.error.code}: {installation.error}")
        return False
    state = inspect(home)
    megabytes = folder_bytes(home.folder) / 1e6
    print(
        f"{'+'.join(state.parts):<18} {state.python_version:<8} {downloads:<10} {installation.seconds:>8.1f} "
        f"{megabytes:>11.0f} {folder_bytes(cache) / 1e6:>9.0f}",
        flush=True,
    )
    return True


if __name__ == "__main__":
    sys.exit(main())
