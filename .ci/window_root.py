# SPDX-License-Identifier: MIT
"""Makes a small Debian in a folder, with Blender, a display without a screen, and a mouse, for ``tests/window``.

``python .ci/window_root.py build/window-root`` as root on a Debian-like system with debootstrap. What is there already
is kept, so a second run takes no time. Nothing outside the folder is changed, and nothing stays mounted.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

SUITE = "trixie"
"""Debian 13 has Blender 4.3, which our range of versions includes, and which pip does not offer."""
PACKAGES = (
    "blender",
    "python3-numpy",
    "python3-venv",
    "python3-xlib",
    "ca-certificates",
    "xvfb",
    "xdotool",
    "imagemagick",
    "libgl1-mesa-dri",
    "libegl1",
    "fonts-dejavu-core",
)
MARK = "var/lib/vibe-window-packages"
APT = (
    "apt-get",
    "-q",
    "-y",
    "-o",
    "Dpkg::Options::=--force-unsafe-io",  # the folder is thrown away, so nothing need be safe from a power cut
)
PIP_FILES = (Path("/etc/pip.conf"), Path.home() / ".config/pip/pip.conf", Path.home() / ".pip/pip.conf")
CARRIED = (*map(Path, ("/etc/resolv.conf", "/etc/hosts", "/etc/ssl/certs/ca-certificates.crt")), *PIP_FILES)
"""What lets this computer reach its package index, from name servers to the certificates it trusts."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0, or 1 with the reason where the folder could not be made."""
    parser = argparse.ArgumentParser(description="Makes the Debian that tests/window runs Blender in.")
    parser.add_argument("root", type=Path, metavar="DIR")
    root = parser.parse_args(arguments).root.resolve()
    missing = [name for name in ("debootstrap", "unshare", "chroot", "mount") if shutil.which(name) is None]
    if missing or os.geteuid() != 0:
        print(f"This needs root rights, debootstrap and util-linux; missing: {', '.join(missing) or 'root rights'}.")
        return 1
    try:
        make(root)
    except subprocess.CalledProcessError as error:
        print(f"`{' '.join(map(str, error.cmd))}` ended with {error.returncode}.", file=sys.stderr)
        return 1
    return 0


def make(root: Path) -> None:
    """Leaves a Debian with all of ``PACKAGES`` in the folder ``root``, and this computer's network settings in it."""
    if not (root / "usr" / "bin" / "apt-get").exists() or (root / "debootstrap").exists():
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir(parents=True)
        subprocess.run(["debootstrap", "--variant=minbase", SUITE, str(root)], check=True)
        (root / "etc/dpkg/dpkg.cfg.d/lean").write_text("path-exclude=/usr/share/doc/*\npath-exclude=/usr/share/man/*\n")
    _carry(root)
    mark = root / MARK
    wanted = " ".join(PACKAGES)
    if not mark.is_file() or mark.read_text() != wanted:
        _inside(root, *APT, "update")
        _inside(root, *APT, "install", "--no-install-recommends", *PACKAGES)
        _inside(root, *APT, "clean")
        _carry(root)  # the package of certificates has written its own
        mark.write_text(wanted)


def _carry(root: Path) -> None:
    # Of apt's settings only those of the network: proxies, and checks that this computer had to switch off.
    settings = Path("/etc/apt/apt.conf.d").glob("*") if Path("/etc/apt/apt.conf.d").is_dir() else ()
    for source in (*CARRIED, *(path for path in settings if "Acquire::" in path.read_text(errors="replace"))):
        if source.is_file():
            target = root / source.relative_to("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)
            shutil.copyfile(source, target)


def entered(root: Path, command: Sequence[str], shown: Sequence[Path] = ()) -> list[str]:
    """The command line that runs ``command`` with ``root`` as its whole file system.

    Args:
        root: made by ``make``.
        command: found on the root's own PATH.
        shown: folders of this computer that the command sees under the names they have here.
    """
    # A mount namespace of its own: with the command, however it ends, its mounts are gone.
    script = """set -e
    root=$1; shift
    mount --rbind /dev "$root/dev"; mount -t proc proc "$root/proc"
    while [ "$1" != -- ]; do mkdir -p "$root$1"; mount --bind "$1" "$root$1"; shift; done
    shift; exec chroot "$root" "$@"
    """
    namespace = ("unshare", "--mount", "--propagation", "private", "sh", "-c", script, "enter")
    return [*namespace, str(root), *(str(folder) for folder in (*shown, *_package_folders())), "--", *command]


def _package_folders() -> list[Path]:
    """The folders of packages on this computer that pip's settings name."""
    texts = [path.read_text() for path in PIP_FILES if path.is_file()]
    texts += [value for name, value in os.environ.items() if name.startswith("PIP_")]
    named = re.findall(r"(?:file://|(?<![^\s='\"]))(/[^\s'\"]+)", "\n".join(texts))
    # The pages of an index on disk point at files beside it.
    folders = [Path(name).parent if name.rstrip("/").endswith("/simple") else Path(name) for name in named]
    return sorted({folder for folder in folders if folder.is_dir()})


def _inside(root: Path, *command: str) -> None:
    environment = {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    proxies = {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}
    subprocess.run(entered(root, command), env=environment | proxies, check=True)


if __name__ == "__main__":
    sys.exit(main())
