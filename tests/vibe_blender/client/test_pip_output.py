# SPDX-License-Identifier: MIT
"""What pip and uv write, as they wrote it: progress only grows, and failures get their cause and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from vibe_blender.client.pip_output import PipOutput, explain

LOG = Path("install.log")


def read(output: PipOutput, *lines: str) -> list[float]:
    fractions = []
    for line in lines:
        output.read(line)
        fractions.append(output.fraction)
    return fractions


def test_downloads_from_an_index() -> None:
    output = PipOutput(100_000_000)
    assert read(output, "Collecting opencv-python>=4.10") == [0.0]
    assert output.text == "Looking for opencv-python."
    read(output, "  Downloading opencv_python-4.11.0.86-cp37-abi3-manylinux_2_17_x86_64.whl (60.0 MB)")
    read(output, "Progress 30000000 of 60000000")
    assert output.text == "Downloading opencv-python (30 of 60 MB)."
    assert output.fraction == pytest.approx(0.75 * 0.3)
    read(output, "Progress 60000000 of 60000000", "Collecting platformdirs>=4")
    read(output, "  Downloading platformdirs-4.14.5-py3-none-any.whl (35 kB)")
    assert output.fraction == pytest.approx(0.75 * 0.6)


def test_an_index_that_gives_metadata_first() -> None:
    output = PipOutput(100_000_000)
    read(output, "Collecting numpy", "  Downloading numpy-2.2.6-cp313-cp313-win_amd64.whl.metadata (63 kB)")
    assert (output.text, output.fraction) == ("Looking for numpy.", 0.0)
    read(output, "Using cached numpy-2.2.6-cp313-cp313-win_amd64.whl (16.8 MB)")
    read(output, "Downloading scipy-1.17.1-cp313-cp313-win_amd64.whl (36.2 MB)", "Progress 0 of 36200000")
    assert output.text == "Downloading scipy (0 of 36 MB)."
    assert output.fraction == pytest.approx(0.75 * 0.168)


def test_wheels_of_a_folder(tmp_path) -> None:
    wheel = tmp_path / "größe a-b" / "ml_dtypes-0.5.4-cp311-cp311-win_amd64.whl"
    wheel.parent.mkdir()
    wheel.write_bytes(bytes(1000))
    output = PipOutput(2000)
    read(output, f"Processing {wheel}", "Processing ./elsewhere/gone-1-py3-none-any.whl (from gone>=1)")
    assert output.text == "Found gone."
    assert output.fraction == pytest.approx(0.375)


def test_more_than_expected_waits_before_the_end() -> None:
    output = PipOutput(1000)
    assert max(read(output, "Downloading a-1-py3-none-any.whl (5.0 MB)", "Progress 5000000 of 5000000")) == 0.75


def test_unpacking_is_counted_and_never_goes_back() -> None:
    output = PipOutput(1000)
    output.unpacked(3)
    assert output.fraction == 0.0, "not before pip says so"
    read(output, "Installing collected packages: a, b, c, d")
    assert output.text == "Unpacking packages (0 of 4)."
    output.unpacked(3)
    output.unpacked(2)  # pip replaces a package
    assert output.text == "Unpacking packages (3 of 4)."
    output.unpacked(9)
    assert (output.text, output.fraction) == ("Unpacking packages (4 of 4).", 1.0)


@pytest.mark.parametrize(
    ("code", "lines"),
    [
        ("disk_full", ["ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device"]),
        ("disk_full", ["OSError: [WinError 112] Es steht nicht genug Speicherplatz auf dem Datenträger zur Verfügung"]),
        ("disk_full", ["error: Failed to install: torch", "  Caused by: No space left on device (os error 28)"]),
        (
            "network_refused",
            [
                "WARNING: Retrying (Retry(total=0, connect=None, read=None, redirect=None, status=None)) after "
                "connection broken by 'NewConnectionError('<HTTPSConnection>: Failed to establish a new connection: "
                "[Errno 111] Connection refused')': /simple/pip/",
                "ERROR: Could not find a version that satisfies the requirement pip==26.3 (from versions: none)",
                "ERROR: No matching distribution found for pip==26.3",
            ],
        ),
        ("network_refused", ["WARNING: Retrying ... [Errno 11001] getaddrinfo failed'))': /simple/numpy/"]),
        ("network_refused", ["error: Request failed after 3 retries", "  cause: dns error"]),
        ("network_refused", ["SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate"]),
        ("package_missing", ["ERROR: No matching distribution found for ai-edge-litert>=2.0"]),
        ("path_too_long", ["HINT: This error might have occurred since this system does not have Windows Long Path "
                           "support enabled."]),
        ("environment_unwritable", ["ERROR: Could not install packages due to an OSError: [WinError 5] Zugriff"]),
        ("pip_failed", ["Collecting numpy", "ERROR: Wheel 'numpy' located at x.whl is invalid."]),
        ("pip_failed", []),
    ],
)  # fmt: skip
def test_failures(code, lines) -> None:
    error = explain(lines, "pip", LOG)
    assert error.code == code
    assert error.message.endswith(".")
    assert ".." not in error.message
    assert error.hint


def test_the_package_that_is_missing_is_named() -> None:
    said = ["ERROR: No matching distribution found for ai-edge-litert>=2.0"]
    assert "ai-edge-litert>=2.0 " in explain(said, "pip", LOG).message
    said = [
        "ERROR: Cannot install torch==2.13.0+cpu because these package versions have conflicting dependencies.",
        "Additionally, some packages in these conflicts have no matching distributions available for your environment:",
        "    torch",
        "ERROR: ResolutionImpossible: for help visit",
    ]
    assert explain(said, "pip", LOG).code == "package_missing"
    assert "no torch for" in explain(said, "pip", LOG).message


def test_what_else_went_wrong_is_quoted() -> None:
    error = explain(["Collecting numpy", "ERROR: Wheel 'numpy' is invalid.", "done"], "pip", LOG)
    assert error.message == "pip failed: Wheel 'numpy' is invalid."
    assert "install.log" in error.hint
