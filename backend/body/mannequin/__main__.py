# SPDX-License-Identifier: MIT
"""``python -m backend.body.mannequin -o FILE``: rebuilds the mannequin's model file."""

from __future__ import annotations

import argparse
from pathlib import Path

from .build import write


def main() -> None:
    """Reads the command line and writes the file."""
    parser = argparse.ArgumentParser(prog="python -m backend.body.mannequin", description=__doc__)
    parser.add_argument("-o", "--output", type=Path, required=True, help="the .npz to write")
    write(parser.parse_args().output)


if __name__ == "__main__":
    main()
