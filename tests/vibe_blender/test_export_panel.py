# SPDX-License-Identifier: MIT
# ruff: noqa: E402 (what follows needs bpy)
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from vibe_blender import export_check, export_panel, export_properties
from vibe_blender.contract.errors import CaptureError
from vibe_blender.operators import exporting
from vibe_blender.scene.exporting.checking import Check, Places

_CLASSES = (*export_properties.CLASSES, *exporting.CLASSES)


class Layout:
    """A layout that notes what is drawn, and refuses what Blender does not know."""

    def __init__(self, shown: list | None = None) -> None:
        self.shown = [] if shown is None else shown

    def __getattr__(self, name: str):
        return 0.0

    def prop(self, data, name: str, **options) -> None:
        assert name in data.bl_rna.properties
        self.shown.append(name)

    def operator(self, name: str, **options) -> None:
        group, _, operator = name.partition(".")
        getattr(getattr(bpy.ops, group), operator).get_rna_type()
        self.shown.append(name)

    def label(self, *, text: str = "", icon: str = "NONE") -> None:
        self.shown.append(text)

    def column(self, **options) -> "Layout":
        return Layout(self.shown)

    row = box = column

    def panel(self, name: str, **options) -> tuple["Layout", "Layout"]:
        return Layout(self.shown), Layout(self.shown)


@pytest.fixture(autouse=True)
def registered(panel):
    there = hasattr(bpy.types.Scene, "vibe_export")
    if not there:
        for each in _CLASSES:
            bpy.utils.register_class(each)
        export_properties.register_export()
    export_check._outcome = None
    yield
    export_check.stop()
    export_check._outcome = None
    if not there:
        export_properties.unregister_export()
        for each in reversed(_CLASSES):
            bpy.utils.unregister_class(each)


def drawn() -> list[str]:
    layout = Layout()
    context = SimpleNamespace(
        scene=bpy.context.scene,
        active_object=bpy.context.active_object,
        region=SimpleNamespace(width=300),
        preferences=SimpleNamespace(system=SimpleNamespace(ui_scale=1.0)),  # 0 without a window
    )
    export_panel.VIBE_PT_export.draw(SimpleNamespace(layout=layout), context)
    return layout.shown


def test_each_format_shows_what_it_can_be_told(panel) -> None:
    fbx = {"program", "leaf_bones", "primary_axis", "secondary_axis"}
    rigs = {"frames", "bones", "root_bone"}
    for name, there, absent in (
        ("fbx", fbx | rigs | {"meshes"}, {"first"}),
        ("glb", rigs | {"meshes"}, fbx),
        ("bvh", rigs, fbx | {"meshes"}),
        ("npz", {"check"}, fbx | rigs),
    ):
        panel.vibe_export.format = name
        shown = set(drawn())
        assert there <= shown
        assert not absent & shown
        assert "vibe.export" in shown
    panel.vibe_export.format, panel.vibe_export.frames = "fbx", "range"
    assert {"first", "last"} <= set(drawn())


def test_what_the_check_found_is_shown(monkeypatch) -> None:
    path = Path("walk é.fbx")
    for outcome, text in (
        (export_check.Outcome((path,), Check(0.004, "head", 3, 12, 24)), "Joints within 0.004 mm"),
        (export_check.Outcome((path,), Check(12.0, "head", 3, 12, 24)), "Joints within 12.000 mm (head, frame 3)"),
        (
            export_check.Outcome((path,), error=CaptureError("check_failed", "It is broken.", "Mend it.")),
            "It is broken.",
        ),
    ):
        monkeypatch.setattr(export_check, "_outcome", outcome)
        shown = drawn()
        assert path.name in shown
        assert text in " ".join(shown)


def test_a_check_runs_in_steps_until_it_is_done(tmp_path) -> None:
    broken = tmp_path / "walk.bvh"
    broken.write_bytes(b"HIERARCHY")
    export_check.note([Places(broken, 25.0, ("a",), np.zeros((1, 1, 3)))], check=True)
    assert export_check.running()
    assert "Reading it back…" in drawn()
    assert export_check.finish().error.code == "check_failed"
    assert not export_check.running()


def test_a_new_export_ends_the_check_before(tmp_path) -> None:
    places = [Places(tmp_path / "walk.bvh", 25.0, ("a",), np.zeros((1, 1, 3)))]
    export_check.note(places, check=True)
    export_check._tick()
    child = export_check._run.current._child
    export_check.note(places, check=False)
    assert child.poll() is not None
    assert not export_check.running()
    assert not bpy.app.timers.is_registered(export_check._tick)
