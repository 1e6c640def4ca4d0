# SPDX-License-Identifier: MIT
from dataclasses import replace

import numpy as np
import pytest

from tests.fake_backend import small_take, walking_person
from vibe_blender.contract.errors import CaptureError
from vibe_blender.contract.take import MAX_FRAME, MAX_ID, MAX_SECONDS, MAX_SIDE_PX, Person
from vibe_blender.contract.take_file import load_take, save_take


def test_a_person_whose_arrays_do_not_fit_is_refused() -> None:
    person = walking_person(np.arange(4))
    for name in ("rotations", "root", "contacts", "confidence", "boxes", "keypoints", "rest_joints", "betas"):
        with pytest.raises(ValueError, match=name):
            replace(person, **{name: np.zeros((3, 1))})


def test_people_are_found_by_their_id() -> None:
    take = replace(small_take(), people=(walking_person(np.arange(3), 1), walking_person(np.arange(3), 2)))
    assert take.person(2).id == 2
    with pytest.raises(CaptureError, match="1, 2") as caught:
        take.person(3)
    assert caught.value.code == "no_such_person"


def test_the_camera_projects_as_a_pinhole() -> None:
    camera = replace(small_take().camera, centre_px=np.array([150.0, 80.0]))
    # Two metres in front of the camera at (0, -4, 1): half a metre to the right and a quarter up.
    np.testing.assert_allclose(camera.project(np.array([0.5, -2.0, 1.25])), [150 + 75, 80 - 37.5])
    np.testing.assert_allclose(camera.to_camera(np.array([[0.5, -2.0, 1.25]])), [[0.5, -0.25, 2.0]])


def test_joints_of_a_person_are_in_the_world() -> None:
    person: Person = small_take().people[0]
    np.testing.assert_allclose(person.joints()[:, 0], person.root)
    assert person.joints()[0, :, 2].max() > 1.2


@pytest.mark.parametrize(
    ("part", "values", "why"),
    [
        ("video", {"times": np.arange(12) * 1e8}, "seconds"),
        ("video", {"times": np.arange(12) - 2 * MAX_SECONDS}, "seconds"),
        ("video", {"fps": 1e9}, "video of"),
        ("video", {"fps": 1e-9}, "video of"),
        ("video", {"fps": float("nan")}, "video of"),
        ("video", {"width_px": MAX_SIDE_PX + 1}, "video of"),
        ("video", {"first_frame": MAX_FRAME - 5}, "first frame"),
        ("person", {"id": 0}, "number 0"),
        ("person", {"id": -1}, "number -1"),
        ("person", {"id": MAX_ID + 1}, "number"),
        ("take", {"status": "finished"}, "status"),
    ],
    ids=str,
)
def test_what_no_capture_finds_is_refused_also_from_a_file(tmp_path, part: str, values: dict, why: str) -> None:
    take = small_take()
    whole = {"take": take, "video": take.video, "person": take.people[0]}[part]
    with pytest.raises(ValueError, match=why):
        replace(whole, **values)
    for name, value in values.items():  # as a stranger's file says it
        object.__setattr__(whole, name, value)
    save_take(take, tmp_path / "walk.take")
    with pytest.raises(CaptureError, match=why) as caught:
        load_take(tmp_path / "walk.take")
    assert caught.value.code == "take_damaged"
