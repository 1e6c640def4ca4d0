# SPDX-License-Identifier: GPL-3.0-or-later
"""What our operators share: an error the user can act on becomes a report."""

from __future__ import annotations

import bpy

from ..contract.errors import CaptureError


class Reporting:
    """Mixed into an operator: ``run`` does the work, and a ``CaptureError`` it raises is told to the user."""

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Runs the operator."""
        try:
            self.run(context)
        except CaptureError as error:
            self.report({"ERROR"}, f"{error.message} {error.hint}".strip())  # type: ignore[attr-defined]
            return {"CANCELLED"}
        return {"FINISHED"}

    def run(self, context: bpy.types.Context) -> None:
        """Does the work."""
        raise NotImplementedError
