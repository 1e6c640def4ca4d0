# SPDX-License-Identifier: MIT
"""``vibe test``: networks on clip archives, in the papers' table, with the rows that others published above ours."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2

from backend.checkpoints import load_image_encoder
from vibe_blender.contract.errors import CaptureError
from vibe_blender.contract.records import from_record

from .archive import ClipArchive, open_archive
from .bodies import open_body
from .config import Body, read_toml
from .distributed import device_of
from .measuring import Figures, measure
from .networks import load_generator
from .plotting import Dot, plot

_ROWS = Path(__file__).with_name("published_rows.json")
REPORT, PLOT = "test.json", "test.png"


@dataclass(frozen=True)
class Candidate:
    """A network to test.

    Attributes:
        name: in the table.
        file: of ours (``best.pt``) or the published one (``.pth.tar``), from the configuration's folder.
    """

    name: str
    file: str


@dataclass(frozen=True)
class Testing:
    """What ``vibe test`` is to do; paths are from the configuration's folder.

    Attributes:
        networks: to test.
        archives: clip archives with ``joints3d``.
        output: folder for the report and the plot.
        frames: of a window (T).
        body: whose joints and skin are compared.
        body_files: as in ``config.Model``.
        pictures: read the archives' pictures instead of their features.
        spin: SPIN's published checkpoint, whose image network reads pictures.
        across_sequences: accelerations as VIBE's program measures them, across the borders of sequences.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
    """

    networks: tuple[Candidate, ...]
    archives: tuple[str, ...]
    output: str
    frames: int = 16
    body: Body = "smpl"
    body_files: str = ""
    pictures: bool = False
    spin: str = ""
    across_sequences: bool = False
    device: str = "auto"

    def __post_init__(self) -> None:
        if not self.networks or not self.archives:
            raise _bad("There is nothing to test", "Name networks and archives.")
        if len({network.name for network in self.networks}) < len(self.networks):
            raise _bad("Two networks have one name", "Give each its own.")
        if not 1 <= self.frames <= 1 << 20:
            raise _bad(f"frames cannot be {self.frames}", "Windows have at least one frame.")
        if self.pictures and not self.spin:
            raise _bad("pictures need a network that reads them", "Name SPIN's checkpoint in spin.")


@dataclass(frozen=True)
class PublishedRow:
    """What a paper says of a method; mm, accelerations in mm/frame^2.

    Attributes:
        dataset: that it was measured on.
        method: name.
        with_3dpw: whether 3DPW was learned from.
        pa_mpjpe, mpjpe, pve, acceleration_error: None where nothing is said.
        source: paper and table.
        corrected: what is printed elsewhere, and why it is wrong; empty for numbers that are as printed.
    """

    dataset: str
    method: str
    with_3dpw: bool
    pa_mpjpe: float
    mpjpe: float
    pve: float | None
    acceleration_error: float
    source: str
    corrected: str


@dataclass(frozen=True)
class Table:
    """One archive's.

    Attributes:
        archive: its name.
        dataset, split: what it is.
        published: rows of others on that dataset.
        ours: figures by the network's name.
    """

    archive: str
    dataset: str
    split: str
    published: tuple[PublishedRow, ...]
    ours: dict[str, Figures]


@dataclass(frozen=True)
class TestReport:
    """Everything ``vibe test`` prints.

    Attributes:
        frames: of a window.
        across_sequences: as in ``Testing``.
        tables: one per archive.
    """

    frames: int
    across_sequences: bool
    tables: tuple[Table, ...]

    def to_json(self) -> str:
        """The report as JSON text; the names are those of the fields, a measure of nothing is null."""
        return json.dumps(_plain(asdict(self)), indent=2, ensure_ascii=False, allow_nan=False)

    def to_text(self) -> str:
        """The tables for a person to read."""
        lines: list[str] = []
        for table in self.tables:
            lines += [*_table(table), ""]
        if self.across_sequences:
            lines.append("Accelerations across the borders of sequences, as VIBE's program measures them.")
        lines.append("Mean errors in mm, accelerations in mm/frame^2 (times fps^2 / 1000: m/s^2).")
        return "\n".join(lines)


def compare(path: Path) -> TestReport:
    """The report of what a TOML file describes; written as JSON and as a plot, too.

    Args:
        path: of the file.

    Raises:
        CaptureError: ``bad_setting``; as of ``load_generator``, ``open_archive``, ``open_body`` and ``measure``.
    """
    settings, folder = from_record(Testing, read_toml(path)), path.parent
    device = device_of(settings.device, 0)
    body = open_body(settings.body, settings.body_files, folder).to(device)
    encoder = load_image_encoder(folder / settings.spin).to(device) if settings.pictures else None
    archives = [open_archive(folder / name) for name in settings.archives]
    tables = [_empty_table(archive) for archive in archives]
    for candidate in settings.networks:
        loaded = load_generator(folder / candidate.file)
        if loaded.architecture.encoder in ("tcmr", "dts-vibe") and loaded.frames != settings.frames:
            raise _bad(
                f"{candidate.name} has learned from windows of {loaded.frames} frames, not {settings.frames}",
                f"Set frames to {loaded.frames}.",
            )
        network = loaded.network.to(device)
        for archive, table in zip(archives, tables, strict=True):
            known = "spin" if settings.pictures else archive.facts.features
            if known != loaded.features:
                raise _bad(
                    f"{candidate.name} has learned from the features {loaded.features}, "
                    f"{archive.folder.name} has {known}",
                    "Prepare the archive with the network's features.",
                )
            measured = measure(
                network, body, [archive], settings.frames, device,
                encoder=encoder, across_sequences=settings.across_sequences,
            )  # fmt: skip
            assert measured is not None
            table.ours[candidate.name] = measured.mean
    report = TestReport(settings.frames, settings.across_sequences, tuple(tables))
    _write(report, folder / settings.output)
    return report


def published_on(dataset: str) -> tuple[PublishedRow, ...]:
    """What papers say of methods on a dataset; nothing for one that no paper is about."""
    rows = json.loads(_ROWS.read_text(encoding="utf-8"))["rows"]
    return tuple(row for record in rows if (row := PublishedRow(**record)).dataset == dataset)


def _empty_table(archive: ClipArchive) -> Table:
    facts, name = archive.facts, archive.folder.name.removesuffix(".clips")
    return Table(name, facts.dataset, facts.split, published_on(facts.dataset), {})


def _write(report: TestReport, output: Path) -> None:
    output.mkdir(parents=True, exist_ok=True)
    (output / REPORT).write_text(report.to_json() + "\n", encoding="utf-8")
    panels = {}
    for table in report.tables:
        dots = [
            Dot(f"{row.method}{' +3DPW' if row.with_3dpw else ''}", row.pa_mpjpe, row.acceleration_error, ours=False)
            for row in table.published
        ]
        dots += [
            Dot(name, figures.pa_mpjpe_mm, figures.acceleration_error_mm_per_frame2, ours=True)
            for name, figures in table.ours.items()
        ]
        panels[table.archive] = dots
    told, data = cv2.imencode(".png", plot(panels)[..., ::-1])
    assert told
    (output / PLOT).write_bytes(data.tobytes())


_HEADS = ("PA-MPJPE", "MPJPE", "PVE", "accel. error", "own accel.", "jitter", "frames")
_WIDTH = 26


def _table(table: Table) -> list[str]:
    lines = [f"{table.archive} ({table.dataset}, {table.split})", _line("", _HEADS)]
    notes: list[str] = []
    for row in table.published:
        mark = ""
        if row.corrected:
            notes.append(f"  [{len(notes) + 1}] {row.method}: {row.corrected}")
            mark = f" [{len(notes)}]"
        name = f"{row.method}{' (with 3DPW)' if row.with_3dpw else ''}{mark}"
        values = (row.pa_mpjpe, row.mpjpe, row.pve, row.acceleration_error)
        lines.append(_line(name, [*(_number(value) for value in values), "-", "-", "-"]))
    for name, one in table.ours.items():
        measured = (
            one.pa_mpjpe_mm, one.mpjpe_mm, one.pve_mm, one.acceleration_error_mm_per_frame2,
            one.acceleration_mm_per_frame2, one.jitter_10m_per_s3,
        )  # fmt: skip
        lines.append(_line(f"> {name}", [*(_number(value) for value in measured), str(one.frames)]))
    return lines + notes


def _line(name: str, values: Sequence[str]) -> str:
    return f"{name:<{_WIDTH}}{''.join(f'{value:>14}' for value in values)}"


def _number(value: float | None) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.1f}"


def _plain(value: object) -> object:
    """The same with None for numbers that are none."""
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _bad(message: str, remedy: str) -> CaptureError:
    return CaptureError("bad_setting", f"{message}.", remedy)
