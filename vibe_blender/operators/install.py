# SPDX-License-Identifier: GPL-3.0-or-later
"""Install, update, repair, extend, cancel and remove the backend."""

import bpy

from .. import availability, installing, session
from ..client.installation import needs_network
from ..places import home, plan
from .reporting import Reporting

DEFAULT, NETWORKS = ("default",), ("default", "networks")


def _nothing_runs(operator: type[bpy.types.Operator]) -> bool:
    if installing.running() is not None or installing.removing():
        operator.poll_message_set("The backend is being installed or removed")
        return False
    if session.current() is not None:
        operator.poll_message_set("Wait for the capture to end, or cancel it")
        return False
    return True


def _may_install(operator: type[bpy.types.Operator], parts: tuple[str, ...]) -> bool:
    if not _nothing_runs(operator):
        return False
    if not bpy.app.online_access and needs_network(installing.state(), plan(parts), installing.missing_models()):
        operator.poll_message_set(
            "Blender may not use the internet: allow online access in Preferences > System, "
            "or name an offline folder in this add-on's preferences"
        )
        return False
    return True


def _present() -> tuple[str, ...]:
    return installing.state().parts or DEFAULT


def _install(parts: tuple[str, ...]) -> None:
    availability.stop()  # on Windows, what runs cannot be replaced
    installing.start(plan(parts))


class VIBE_OT_install_backend(Reporting, bpy.types.Operator):
    """Download and install the program that reads videos, in a Python environment of its own"""

    bl_idname = "vibe.install_backend"
    bl_label = "Install Backend"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Says why not."""
        return _may_install(cls, _present())

    def run(self, context: bpy.types.Context) -> None:
        """Keeps the parts that are installed."""
        _install(_present())


class VIBE_OT_add_networks(Reporting, bpy.types.Operator):
    """Also install PyTorch and smplx, which the network estimators need"""

    bl_idname = "vibe.add_networks"
    bl_label = "Add Network Packages"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Says why not."""
        return _may_install(cls, NETWORKS)

    def run(self, context: bpy.types.Context) -> None:
        """Both sizes; what works stays until the new one does."""
        _install(NETWORKS)


class VIBE_OT_check_backend(Reporting, bpy.types.Operator):
    """Ask the backend whether everything it needs is there and works, and install what does not"""

    bl_idname = "vibe.check_backend"
    bl_label = "Check and Repair"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Says why not."""
        return _may_install(cls, _present())

    def run(self, context: bpy.types.Context) -> None:
        """An installation of what is there already is a check."""
        _install(_present())


class VIBE_OT_cancel_install(bpy.types.Operator):
    """Stop installing; what worked before still works"""

    bl_idname = "vibe.cancel_install"
    bl_label = "Cancel"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Says why not."""
        if installing.running() is None:
            cls.poll_message_set("Nothing is being installed")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Asks for the end."""
        running = installing.running()
        if running is not None:
            running.cancel()
        return {"FINISHED"}


class VIBE_OT_remove_backend(Reporting, bpy.types.Operator):
    """Remove the backend and its model files from this computer. Takes and animations stay"""

    bl_idname = "vibe.remove_backend"
    bl_label = "Remove"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Says why not."""
        return _nothing_runs(cls)

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Asks first."""
        return context.window_manager.invoke_confirm(self, event)

    def run(self, context: bpy.types.Context) -> None:
        """Removes it."""
        availability.stop()
        installing.remove()


class VIBE_OT_open_install_log(Reporting, bpy.types.Operator):
    """Open the log of the last installation"""

    bl_idname = "vibe.open_install_log"
    bl_label = "Show Log"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Says why not."""
        if not home().log.is_file():
            cls.poll_message_set("Nothing has been installed yet")
            return False
        return True

    def run(self, context: bpy.types.Context) -> None:
        """Opens the file the way the system does."""
        bpy.ops.wm.path_open(filepath=str(home().log))


CLASSES = (
    VIBE_OT_install_backend,
    VIBE_OT_add_networks,
    VIBE_OT_check_backend,
    VIBE_OT_cancel_install,
    VIBE_OT_remove_backend,
    VIBE_OT_open_install_log,
)
