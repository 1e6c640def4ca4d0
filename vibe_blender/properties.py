# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of a capture, saved with the scene: ``scene.vibe``."""

from pathlib import Path

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty, PointerProperty, StringProperty

from .contract.errors import CaptureError
from .contract.protocol import Job
from .scene.takes import take_record
from .scene.video_facts import VideoFacts, facts

ESTIMATORS = (
    (
        "keypoints",
        "Keypoints",
        "BlazePose landmarks and a body fitted to them: needs no licensed file, runs anywhere",
        0,
    ),
    (
        "vibe",
        "VIBE",
        "The networks of VIBE and the SMPL body: for non-commercial research, with files that you get from their "
        "authors. Fast on a graphics card",
        1,
    ),
    (
        "tcmr",
        "TCMR",
        "The networks of TCMR, which look at the frames before and after each, and the SMPL body: for non-commercial "
        "research, with files that you get from their authors",
        2,
    ),
    (
        "dts-vibe",
        "DTS-VIBE",
        "A network that also sees how the pictures move, and the SMPL body. Nobody has published its weights: it needs "
        "a network that you have trained",
        3,
    ),
)
NETWORK_FIELDS = {"vibe": "vibe_network", "tcmr": "tcmr_network", "dts-vibe": "dts_vibe_network"}
"""The estimators that are networks, and where each has its file of the user's own: none can use another's."""
# A file keeps the numbers: they stay what they are.
DEVICES = (
    ("auto", "Automatic", "The fastest there is", 0),
    ("cuda", "Graphics Card", "The NVIDIA or AMD card that PyTorch can use", 2),
    ("mps", "Apple GPU", "The graphics unit of a Mac", 3),
    ("cpu", "Processor", "The processor only", 1),
)


def _network_field(name: str) -> object:
    return StringProperty(
        name="Own Network",
        description=f"A network for {name} that you have made with `vibe train`; its terms are those of what it has "
        "learned from",
        subtype="FILE_PATH",
    )


def _video_chosen(settings: "VIBE_CaptureSettings", context: bpy.types.Context) -> None:
    """A new video begins with its whole length."""
    found = settings.video_facts()
    settings.start, settings.end = 0, found.frames if found else 0
    settings.use_range = False


def _is_take(settings: "VIBE_CaptureSettings", collection: bpy.types.Collection) -> bool:
    return take_record(collection) is not None


class VIBE_CaptureSettings(bpy.types.PropertyGroup):
    """What the sidebar shows; ``job`` makes a job of it."""

    video: StringProperty(  # type: ignore[valid-type]
        name="Video",
        description="The video to capture. You can also drop one on the 3D view",
        subtype="FILE_PATH",
        update=_video_chosen,
    )
    use_range: BoolProperty(  # type: ignore[valid-type]
        name="Range", description="Capture a part of the video only", default=False
    )
    start: IntProperty(  # type: ignore[valid-type]
        name="From", description="First frame of the video to capture; the video begins with 0", min=0
    )
    end: IntProperty(  # type: ignore[valid-type]
        name="Before", description="The frame of the video before which to stop; 0 to go on to its end", min=0
    )
    estimator: EnumProperty(  # type: ignore[valid-type]
        name="Estimator", description="What reads the pose", items=ESTIMATORS
    )
    people: EnumProperty(  # type: ignore[valid-type]
        name="People",
        description="Whom to capture",
        items=(
            ("all", "Everybody", "Everybody who is seen"),
            ("largest", "Largest", "One person: who is largest in the picture"),
            ("count", "At Most", "So many people, the largest ones"),
        ),
    )
    people_count: IntProperty(  # type: ignore[valid-type]
        name="Count", description="How many people to capture at most", default=2, min=1, max=50
    )
    focal: EnumProperty(  # type: ignore[valid-type]
        name="Lens",
        description="The focal length of the camera, which must stand still",
        items=(
            ("auto", "From Video", "As the video file says, else a common angle of view (53 degrees)"),
            ("mm", "Full Frame", "Focal length as on a full-frame sensor of 36 x 24 mm"),
        ),
    )
    focal_mm: FloatProperty(  # type: ignore[valid-type]
        name="Focal Length",
        description="Millimetres on a full-frame sensor. Phones have about 26",
        default=35.0,
        min=5.0,
        max=2000.0,
        subtype="DISTANCE_CAMERA",
    )
    use_height: BoolProperty(  # type: ignore[valid-type]
        name="Actor Height", description="Say how tall the actor is, which makes distances right", default=False
    )
    height_m: FloatProperty(  # type: ignore[valid-type]
        name="Height",
        description="How tall the actor is, in metres",
        default=1.75,
        min=0.4,
        max=2.8,
        precision=3,
        subtype="DISTANCE",
        unit="LENGTH",
    )
    device: EnumProperty(  # type: ignore[valid-type]
        name="Device",
        description="Where the networks run; one that this machine has not is replaced by the processor",
        items=DEVICES,
    )
    vibe_network: _network_field("VIBE, instead of the published one")  # type: ignore[valid-type]
    tcmr_network: _network_field("TCMR, instead of the published one")  # type: ignore[valid-type]
    dts_vibe_network: _network_field("DTS-VIBE, of which none is published")  # type: ignore[valid-type]
    use_slerp: BoolProperty(  # type: ignore[valid-type]
        name="Slerp Filter",
        description="Smooth rotations as TCMR's authors did for some of their figures. It lags; their demo, and the "
        "clean-up, do without",
        default=False,
    )
    slerp: FloatProperty(  # type: ignore[valid-type]
        name="Slerp",
        description="How far each rotation goes from the one before to what the network says: 0.3 in the paper. The "
        "less, the smoother, and the later",
        default=0.3,
        min=0.05,
        max=1.0,
        subtype="FACTOR",
    )
    fast: BoolProperty(  # type: ignore[valid-type]
        name="Fast",
        description="Keypoints reads every picture once only, not its mirror image too: half the time, a little less "
        "exact",
        default=False,
    )
    refine: BoolProperty(  # type: ignore[valid-type]
        name="Refine",
        description="In the end, fit the motion to the landmarks once more, over the whole clip: takes longer. "
        "Frames that come no nearer to them stay as they are",
        default=False,
    )
    scene_start: IntProperty(  # type: ignore[valid-type]
        name="Place at Frame",
        description="Frame of the timeline at which the captured motion begins",
        default=1,
        min=0,
        max=1_000_000,
    )
    active_take: PointerProperty(  # type: ignore[valid-type]
        name="Take", description="The take that the buttons below are about", type=bpy.types.Collection, poll=_is_take
    )
    doubt: FloatProperty(  # type: ignore[valid-type]
        name="Below",
        description="Confidence below which a frame is doubtful",
        default=0.6,
        min=0.0,
        max=1.0,
        subtype="FACTOR",
    )
    resolve_first: IntProperty(  # type: ignore[valid-type]
        name="First", description="First frame of the timeline to capture again", default=1
    )
    resolve_last: IntProperty(  # type: ignore[valid-type]
        name="Last", description="Last frame of the timeline to capture again", default=30
    )
    resolve_blend: IntProperty(  # type: ignore[valid-type]
        name="Blend", description="Frames over which the new motion is eased in and out", default=5, min=0, max=100
    )

    def video_path(self) -> Path | None:
        """The chosen video, absolute; None where none is chosen."""
        return Path(bpy.path.abspath(self.video)) if self.video.strip() else None

    def network_path(self, estimator: str = "") -> Path | None:
        """The user's own network for an estimator, the chosen one where none is named; None for the published one."""
        field = NETWORK_FIELDS.get(estimator or self.estimator, "")
        named = getattr(self, field).strip() if field else ""
        return Path(bpy.path.abspath(named)) if named else None

    def video_facts(self) -> VideoFacts | None:
        """What Blender reads of the chosen video; None where it cannot."""
        path = self.video_path()
        try:
            return facts(path) if path is not None else None
        except CaptureError:
            return None

    def job(self, video: Path, take: Path, models: str) -> Job:
        """The capture that is asked for.

        Args:
            video, take: absolute paths.
            models: folder of the estimator's files, empty for the backend's default.
        """
        network = self.network_path()
        return Job(
            video=str(video),
            take=str(take),
            estimator=self.estimator,
            models=models,
            device=self.device if self.estimator in NETWORK_FIELDS else "auto",  # Keypoints has no choice
            start=self.start if self.use_range and self.start else None,
            end=self.end if self.use_range and self.end else None,
            people=str(self.people_count) if self.people == "count" else self.people,
            focal_mm=self.focal_mm if self.focal == "mm" else None,
            height_m=self.height_m if self.use_height else None,
            fast=self.fast and self.estimator == "keypoints",
            network=str(network) if network is not None else "",
            slerp=self.slerp if self.use_slerp and self.estimator == "tcmr" else None,
            refine=self.refine,
        )


def register_properties() -> None:
    """Adds ``scene.vibe``; its class is registered before."""
    bpy.types.Scene.vibe = PointerProperty(type=VIBE_CaptureSettings)


def unregister_properties() -> None:
    """Removes it; what files have saved in it stays there."""
    del bpy.types.Scene.vibe
