# SPDX-License-Identifier: GPL-3.0-or-later
"""What belongs to this machine and not to a .blend file: the backend's environment, and where takes go."""

import bpy
from bpy.props import BoolProperty, EnumProperty, StringProperty

from . import installing
from .backend_view import draw_backend
from .places import ADDON_ID


def _moved(preferences: "VIBE_Preferences", context: bpy.types.Context) -> None:
    installing.look_again()


def _chosen(preferences: "VIBE_Preferences", context: bpy.types.Context) -> None:
    """Chosen in the sidebar, it is to be saved as what is changed in the preferences is."""
    context.preferences.is_dirty = True


class VIBE_Preferences(bpy.types.AddonPreferences):
    """Edit > Preferences > Add-ons > VIBE Motion Capture."""

    bl_idname = ADDON_ID

    takes: StringProperty(  # type: ignore[valid-type]
        name="Takes",
        description="Folder for new takes; empty to put each one beside its video",
        subtype="DIR_PATH",
    )
    folder: StringProperty(  # type: ignore[valid-type]
        name="Backend Folder",
        description="Where the backend is installed; empty for the folder that Blender keeps for extensions. "
        "A short path helps on Windows, whose paths end at 259 letters",
        subtype="DIR_PATH",
        update=_moved,
    )
    python: StringProperty(  # type: ignore[valid-type]
        name="Python",
        description="Python 3.11 or newer to install the backend with; empty for Blender's own",
        subtype="FILE_PATH",
    )
    offline: StringProperty(  # type: ignore[valid-type]
        name="Offline Folder",
        description="Folder with the packages and model files, to install without the internet; empty to download them",
        subtype="DIR_PATH",
    )
    torch: EnumProperty(  # type: ignore[valid-type]
        name="PyTorch for",
        description="Where the network estimators shall run",
        items=(
            ("auto", "Automatic", "The graphics card where there is one that PyTorch can use, else the processor"),
            ("cpu", "Processor", "The smaller build, without graphics card"),
            ("cuda", "NVIDIA Card", "The build for CUDA; several gigabytes"),
        ),
    )

    published: StringProperty(  # type: ignore[valid-type]
        name="Published Files",
        description="Folder of the files that you got from the authors of VIBE, TCMR, SPIN and SMPL, in any layout",
        subtype="DIR_PATH",
        update=_chosen,
    )
    licence_read: BoolProperty(options={"HIDDEN"})  # type: ignore[valid-type]

    def draw(self, context: bpy.types.Context) -> None:
        """The backend first: nothing works without it."""
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        draw_backend(layout.box(), context, everything=True)
        layout.prop(self, "published", placeholder="For VIBE, TCMR and DTS-VIBE")
        layout.prop(self, "takes", placeholder="Beside the video")
        layout.prop(self, "folder", placeholder="Blender's own")
        layout.prop(self, "python", placeholder="Blender's own")
        layout.prop(self, "offline", placeholder="Download")
