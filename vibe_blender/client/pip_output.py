# SPDX-License-Identifier: GPL-3.0-or-later
"""What pip and uv write, read: how far they are, and why they failed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from ..contract.errors import CaptureError

_UNITS = {"bytes": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9}
_DOWNLOAD = 0.75
"""Share of the time that pip takes to download; it unpacks in the rest."""
_FETCHED = re.compile(r"\s*(?:Downloading|Using cached) (\S+?)-\d\S*\.whl \(([\d.]+) (bytes|kB|MB|GB)\)")
_LOCAL = re.compile(r"Processing (.+\.whl)")
_PROGRESS = re.compile(r"Progress (\d+) of (\d+)")
_COLLECTING = re.compile(r"Collecting ([\w.-]+)")
_INSTALLING = "Installing collected packages: "
_MISSING = re.compile(
    r"(?:No matching distribution found for|satisfies the requirement|no matching distributions available for your "
    r"environment:\n) *([\w.-]+(?:\[[\w,]*\])?(?:[=<>!~]=?[\w.+,<>=!~]+)?)"
)

_DISK = ("No space left on device", "[Errno 28]", "[WinError 112]", "os error 28", "os error 112", "[Errno 122]")
_NETWORK = (
    "Failed to establish a new connection", "NewConnectionError", "Connection refused", "Max retries exceeded",
    "ConnectTimeout", "ReadTimeout", "Read timed out", "ProxyError", "Connection aborted", "Connection broken",
    "name resolution", "getaddrinfo failed", "NameResolutionError", "Failed to fetch", "error sending request",
    "dns error", "Network is unreachable",
)  # fmt: skip
_CERTIFICATE = ("CERTIFICATE_VERIFY_FAILED", "SSLError", "invalid peer certificate")
_DENIED = ("[Errno 13]", "[WinError 5]", "[WinError 32]", "Permission denied", "Access is denied")
_LONG_PATH = ("[Errno 36]", "[WinError 206]", "Long Path support")


class PipOutput:
    """How far pip is: give it every line; ``fraction`` and ``text`` follow.

    Attributes:
        fraction: 0..1.
        text: what pip does, a sentence.
        packages: how many are being unpacked, 0 before.
    """

    def __init__(self, expected_bytes: int) -> None:
        """``expected_bytes``: roughly what will be downloaded, for pip finds out only on the way."""
        self.fraction = 0.0
        self.text = "Looking for the packages."
        self.packages = 0
        self._expected = max(expected_bytes, 1)
        self._fetched = self._size = 0.0
        self._unpacked = 0
        self._current = ""

    def read(self, line: str) -> None:
        """Takes one line of pip's output."""
        if progress := _PROGRESS.match(line):
            done, total = int(progress[1]), int(progress[2])
            if total and self._current:
                self.text = f"Downloading {self._current} ({done / 1e6:.0f} of {total / 1e6:.0f} MB)."
            self._advance(_DOWNLOAD * (self._fetched + done) / self._expected)
        elif fetched := _FETCHED.match(line):
            self._next(fetched[1].replace("_", "-"), float(fetched[2]) * _UNITS[fetched[3]])
            self.text = f"Downloading {self._current}."
        elif local := _LOCAL.match(line):
            wheel = Path(local[1])
            self._next(wheel.name.split("-")[0].replace("_", "-"), wheel.stat().st_size if wheel.is_file() else 0)
            self.text = f"Found {self._current}."
        elif collecting := _COLLECTING.match(line):
            self.text = f"Looking for {collecting[1]}."
        elif line.startswith(_INSTALLING):
            self.packages = line.count(",") + 1
            self.unpacked(0)

    def unpacked(self, count: int) -> None:
        """Takes how many packages are in their place."""
        if self.packages:
            count = self._unpacked = min(max(count, self._unpacked), self.packages)
            self.text = f"Unpacking packages ({count} of {self.packages})."
            self._advance(_DOWNLOAD + (1 - _DOWNLOAD) * count / self.packages, end=1.0)

    def _next(self, name: str, size_bytes: float) -> None:
        self._fetched += self._size
        self._current, self._size = name, size_bytes
        self._advance(_DOWNLOAD * self._fetched / self._expected)

    def _advance(self, fraction: float, end: float = _DOWNLOAD) -> None:
        self.fraction = max(self.fraction, min(fraction, end))


def explain(lines: Sequence[str], installer: str, log: Path) -> CaptureError:
    """Why an installer failed, and the remedy.

    Args:
        lines: its output.
        installer: its name.
        log: the file that has the whole output.
    """
    text = "\n".join(lines)

    def told(signs: Sequence[str]) -> bool:
        return any(sign in text for sign in signs)

    if told(_DISK):
        return CaptureError(
            "disk_full",
            f"The disk is full: {installer} could not write all packages.",
            "Free some space and try again.",
        )
    if told(_CERTIFICATE):
        return CaptureError(
            "network_refused",
            "The package index could not be reached safely: its certificate was not accepted.",
            "Behind a company's proxy, name its certificate in pip's configuration; or install from an offline folder.",
        )
    if told(_NETWORK):
        return CaptureError(
            "network_refused",
            "The network or a firewall refused the download of a package.",
            "Check the connection and try again, or install from an offline folder.",
        )
    if missing := _MISSING.search(text):
        return CaptureError(
            "package_missing",
            f"There is no {missing[1].rstrip('.')} for this system and this Python.",
            "Name another Python (3.11 to 3.13, 64 bit) in the preferences.",
        )
    if told(_LONG_PATH):
        return CaptureError(
            "path_too_long",
            "The folder's path is too long for Windows: a package could not be unpacked.",
            "Choose a folder with a shorter path in the preferences.",
        )
    if told(_DENIED):
        return CaptureError(
            "environment_unwritable",
            f"{installer} was not allowed to write: {_last(lines)}.",
            "Stop running captures, close other Blenders, look at the virus scanner, and try again.",
        )
    return CaptureError("pip_failed", f"{installer} failed: {_last(lines)}.", f"Its whole output is in {log}.")


def _last(lines: Sequence[str]) -> str:
    """The last thing said that is an error, else the last line."""
    said = [line.strip() for line in lines if line.strip()]
    errors = [line for line in said if line.lower().startswith("error")]
    last = (errors or said or ["it gave no reason"])[-1]
    return re.sub(r"(?i)^error:\s*", "", last).rstrip(".")
