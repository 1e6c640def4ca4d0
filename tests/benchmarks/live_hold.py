# SPDX-License-Identifier: MIT
"""How long Blender's window is held while a capture streams in, and while its take is assembled.

    python tests/benchmarks/live_hold.py [FRAMES] [PEOPLE] [USER_OBJECTS]

Every 20 milliseconds a tick, as the add-on's timer does it, and after it what Blender does before it draws: evaluating
the scene. Every fifth tick brings a stretch of 30 frames, 300 frames a second; from half-way on the scene plays,
a frame a tick. For comparison, the same stretches as keys that are appended to an action, evaluated in the same way.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import bpy
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.fake_backend import FPS, small_take, walking_person
from vibe_blender.contract.protocol import Frames, PersonFound, VideoOpened
from vibe_blender.contract.skeleton import JOINT_NAMES
from vibe_blender.contract.take import Person, Take
from vibe_blender.motion.rotations import bone_rotations
from vibe_blender.scene.animation import LINEAR, assign_action, curves_of, new_action, rotation_path, write_curve
from vibe_blender.scene.armature import bone_quaternions
from vibe_blender.scene.assembly import assembling
from vibe_blender.scene.live import LiveTake
from vibe_blender.scene.video_facts import facts

BUDGET_SECONDS = 0.008
STRETCH = 30
TICK_SECONDS, TICKS_PER_STRETCH = 0.02, 5
Holds = list[tuple[float, float]]
DEFAULTS = ("2000", "1", "100")
SAMPLE = Path(__file__).resolve().parents[1] / "data" / "walk.mp4"


def stretches(person: Person) -> list[Frames]:
    """The events the backend would send."""
    found = []
    for first in range(0, len(person.frames), STRETCH):
        rows = slice(first, first + STRETCH)
        poses = person.rotations[rows], person.root[rows], person.confidence[rows]
        found.append(Frames(person.id, first, *(values.tolist() for values in poses)))
    return found


def new_file(objects: int) -> Any:
    """An empty file with some things of a user in it."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    bpy.ops.mesh.primitive_monkey_add()
    for n in range(max(objects, 1) - 1):
        thing = bpy.data.objects.new(f"thing {n}", bpy.context.object.data)
        scene.collection.objects.link(thing)
    bpy.context.view_layer.update()
    return scene


def timed(work: Callable[[], Any]) -> tuple[Any, tuple[float, float]]:
    """What the work comes to, and its seconds: on the clock, and of this thread's own work."""
    began, worked = time.perf_counter(), time.thread_time()
    result = work()
    return result, (time.perf_counter() - began, time.thread_time() - worked)


def stream(take: Take, objects: int) -> tuple[Holds, Holds]:
    """Seconds of every tick, and of the evaluation after it."""
    scene = new_file(objects)
    live = LiveTake("walk", VideoOpened("walk.mp4", 960, 540, FPS, len(take.video.times)), 1, scene)
    events = list(zip(*(stretches(person) for person in take.people), strict=True))
    for person in take.people:
        live.add(PersonFound(person.id, 0, person.rest_joints.tolist()))
    live.advance(scene, time.monotonic())
    ticks, evaluations = [], []
    for tick in range(TICKS_PER_STRETCH * len(events)):
        number, rest = divmod(tick, TICKS_PER_STRETCH)
        if not rest:
            for event in events[number]:
                live.add(event)
        ticks.append(timed(lambda: live.advance(scene, time.monotonic() + BUDGET_SECONDS))[1])
        evaluate = bpy.context.view_layer.update
        if number > len(events) / 2:
            evaluate = lambda: scene.frame_set(scene.frame_current + 1)  # noqa: E731
        evaluations.append(timed(evaluate)[1])
        time.sleep(max(0.0, TICK_SECONDS - ticks[-1][0] - evaluations[-1][0]))
    live.remove()
    return ticks, evaluations


def keyed(take: Take, objects: int) -> tuple[Holds, Holds]:
    """The same with keys appended to an action, all curves of a stretch in one tick."""
    scene = new_file(objects)
    person = replace(take.people[0], frames=np.arange(len(take.people[0].frames)))
    live = LiveTake("walk", VideoOpened("walk.mp4", 960, 540, FPS, len(take.video.times)), 1, scene)
    live.add(PersonFound(1, 0, person.rest_joints.tolist()))
    live.add(stretches(person)[0])
    while not live.advance(scene, time.monotonic() + 1):
        pass
    rig = next(thing for thing in scene.objects if thing.type == "ARMATURE")
    turned = bone_rotations(person.rotations, bone_quaternions(rig)).astype(np.float32)
    action = new_action(rig, "keys")
    nothing = np.empty(0)
    for name in JOINT_NAMES:
        for axis in range(4):
            write_curve(action, rotation_path(name), axis, name, nothing, nothing, nothing.astype(np.uint8))
    assign_action(rig, action)
    bpy.context.view_layer.update()
    ticks, evaluations = [], []
    for first in range(0, len(turned), STRETCH):
        _, seconds = timed(lambda: append(action, turned[: first + STRETCH], first))  # noqa: B023 (called at once)
        ticks.append(seconds)
        evaluations.append(timed(bpy.context.view_layer.update)[1])
    return ticks, evaluations


def append(action: Any, turned: np.ndarray, first: int) -> None:
    """Keys from ``first`` on, for rotations (T, 24, 4)."""
    frames = np.arange(len(turned), dtype=np.float32)
    linear = np.full(len(turned), LINEAR, np.uint8)
    for number, curve in enumerate(curves_of(action).fcurves):
        points = curve.keyframe_points
        points.add(len(turned) - first)
        values = turned[:, number // 4, number % 4]
        points.foreach_set("co", np.stack([frames, values], axis=1).ravel())
        points.foreach_set("interpolation", linear)
        curve.update()


def assembled(take: Take, objects: int) -> tuple[Holds, Holds]:
    """Seconds of every step of the assembly, and of the evaluation when it is in the scene."""
    scene = new_file(objects)
    facts(Path(take.video.path))
    steps, seconds = assembling(take, scene, "walk", start=1), []
    while True:
        done, took = timed(lambda: next(steps, True))
        seconds.append(took)
        if done:
            return seconds, [timed(bpy.context.view_layer.update)[1]]


def report(label: str, holds: Holds) -> float:
    """Prints the distribution; the 99th percentile in milliseconds, on the clock."""
    clock, own = np.array(holds).T * 1000
    p99 = float(np.percentile(clock, 99))
    print(
        f"  {label:<32}{len(holds):>6}x  p50 {np.median(clock):6.2f}  p99 {p99:6.2f}  max {clock.max():6.2f} ms"
        f"  (own work: p99 {np.percentile(own, 99):6.2f}  max {own.max():6.2f})"
    )
    return p99


def main(count: int, people: int, objects: int) -> None:
    """Prints the holds, and how many times longer those with keys are."""
    take = small_take(SAMPLE, count)
    take = replace(take, people=tuple(walking_person(np.arange(count), n + 1) for n in range(people)))
    print(f"bpy {bpy.app.version_string}: {people} x {count} frames, {objects} objects of the user")
    ticks, evaluations = stream(take, objects)
    held = report("stand-ins, ticks", ticks)
    report("stand-ins, evaluation", evaluations)
    ticks, evaluations = keyed(take, objects)
    keys = report("keys of one person, ticks", ticks)
    report("keys of one person, evaluation", evaluations)
    print(f"  keys hold the window {keys / held:.0f} times as long at the 99th percentile")
    steps, evaluations = assembled(take, objects)
    report("assembly, steps", steps)
    report("assembly, first evaluation", evaluations)


if __name__ == "__main__":
    main(*(int(text) for text in (*sys.argv[1:], *DEFAULTS[len(sys.argv) - 1 :])))
