# SPDX-License-Identifier: GPL-3.0-or-later
"""What captures with published files may be used for, shown once on a machine before the first of them."""

from __future__ import annotations

import bpy

from ..contract.terms import notice_of
from ..places import preferences
from ..text_view import draw_text
from .reporting import Reporting

_WIDTH_PX, _TEXT_PX = 380, 430
_TEXT = (
    "The published weights of VIBE, TCMR and SPIN and the SMPL body are for non-commercial scientific research.",
    "You got these files from their owners, under the owners' licences; for any other use, ask them. "
    "Takes captured with them say so too.",
)


class CaptureButton(Reporting):
    """A button that may start such a capture: ``Cancel`` in its dialog starts nothing, ``OK`` is remembered.

    A script that calls it is asked nothing.
    """

    _shown = False

    def estimator(self, context: bpy.types.Context) -> str:
        """That of the capture that would be started."""
        return str(context.scene.vibe.estimator)

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Shows the notice where nobody has read it yet."""
        if not notice_of(self.estimator(context)) or preferences(context).licence_read:
            return self.execute(context)
        self._shown = True
        return context.window_manager.invoke_props_dialog(
            self, width=_WIDTH_PX, title="For Research Only", confirm_text="OK, Capture"
        )

    def draw(self, context: bpy.types.Context) -> None:
        """The notice."""
        for text in _TEXT:
            draw_text(self.layout, context, text, width_px=_TEXT_PX)  # type: ignore[attr-defined]

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Remembers that the notice was read, and runs."""
        if self._shown:
            preferences(context).licence_read = True
            context.preferences.is_dirty = True  # or Blender would not save it when it quits
        return super().execute(context)
