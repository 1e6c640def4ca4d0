# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a command that ends when standard input does, so that no installer outlives the Blender that started it.

Started by path with any Python: ``python leash.py COMMAND ...``. Imports nothing of ours.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading


def main(command: list[str]) -> int:
    """The command's exit status; everything it started is killed when standard input ends."""
    try:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    except OSError as error:
        print(f"ERROR: {command[0]} cannot be started: {error}", flush=True)
        return 127

    def watch() -> None:
        while os.read(0, 4096):
            pass
        kill_tree(child)

    threading.Thread(target=watch, daemon=True).start()
    return child.wait()


def kill_tree(child: subprocess.Popen[bytes]) -> None:
    """Kills the child and all it started; on POSIX also this process, whose group they share."""
    if sys.platform == "win32":
        subprocess.run(
            ["taskkill", "/T", "/F", "/PID", str(child.pid)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            creationflags=subprocess.CREATE_NO_WINDOW,
        )
    elif os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    else:
        child.kill()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
