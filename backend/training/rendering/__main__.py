# SPDX-License-Identifier: MIT
"""A worker: reads jobs, a line each, and writes what it rendered into their files, until there are no more lines."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from vibe_blender.contract.errors import CaptureError


def main() -> None:
    """Answers each job with a line on standard error: its file is there, or why there is none."""
    from .filming import Filming
    from .plans import REFUSED, RENDERED, Job

    with tempfile.TemporaryDirectory() as folder:
        filming = Filming(Path(folder))
        for line in sys.stdin:
            job = Job.from_line(line)
            try:
                filming.film(job)
                sys.stderr.write(f"{RENDERED} {job.plan.number}\n")
            except CaptureError as error:
                sys.stderr.write(f"{REFUSED} {json.dumps([error.code, error.message, error.hint])}\n")
            sys.stderr.flush()


if __name__ == "__main__":
    main()
