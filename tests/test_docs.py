# SPDX-License-Identifier: MIT
"""What the documents show is run, and what they list is compared with the code."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from backend.evaluation import EvaluationReport, PersonReport
from vibe_blender.contract import protocol, quaternions
from vibe_blender.contract.skeleton import JOINT_NAMES, REST_JOINTS
from vibe_blender.contract.take import Camera, NetworkWords, Person, Take, Video
from vibe_blender.contract.take_file import TakeWriter, load_take, partial_path, save_take

REPOSITORY = Path(__file__).resolve().parent.parent


def blocks(document: str, language: str) -> list[str]:
    text = (REPOSITORY / "docs" / document).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def made_take(first: int) -> Take:
    """Two people over four frames, turned at random, and a camera that looks down a little."""
    random = np.random.default_rng(first)
    from_world = np.eye(4)
    from_world[:3, :3] = quaternions.to_matrices(quaternions.from_axis_angles(np.array([1.7, 0.1, 0.0])))
    from_world[:3, 3] = [0.2, 1.1, 5.0]
    people = tuple(
        Person(
            id=number, frames=np.arange(first, first + 4),
            rotations=quaternions.from_axis_angles(random.normal(size=(4, 24, 3))), root=random.normal(size=(4, 3)),
            contacts=np.zeros((4, 2)), confidence=np.ones(4), boxes=np.zeros((4, 4)), rest_joints=REST_JOINTS,
            betas=np.zeros(10), keypoints=np.zeros((4, 0, 3)),
        )
        for number in (1, 4)
    )  # fmt: skip
    camera = Camera(800.0, np.array([320.0, 240.0]), from_world)
    return Take(Video("a.mp4", 640, 480, 30.0, np.arange(9) / 30), camera, people)


@pytest.mark.parametrize("growing", [False, True])
def test_take_snippet_reads_what_the_library_wrote(tmp_path, growing) -> None:
    take, path = made_take(3), tmp_path / "å b.take"
    if growing:
        with TakeWriter(path) as writer:
            writer.extend(take)
            writer.extend(made_take(7))
        path = partial_path(path)
    else:
        save_take(take, path)
    (snippet,) = blocks("take.md", "python")
    command = [sys.executable, "-c", snippet, str(path)]
    run = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    lines = [line.split() for line in run.stdout.splitlines()]
    assert len(lines) == 4
    people = [(person, joint) for person in take.people for joint in ("head", "left_wrist")]
    for line, (person, joint) in zip(lines, people, strict=True):
        world = person.joints()[0, JOINT_NAMES.index(joint)]
        assert line[:2] == [str(person.id), "3"]
        assert "_".join(line[2:-5]) == joint
        assert [float(value) for value in line[-5:]] == pytest.approx([*world, *take.camera.project(world)], abs=0.01)


def test_a_take_made_by_the_documents_statements_is_one(tmp_path) -> None:
    take, path, copy = made_take(3), tmp_path / "a.take", tmp_path / "b.take"
    save_take(take, path)
    (statements,) = blocks("take.md", "sql")
    with contextlib.closing(sqlite3.connect(copy, isolation_level=None)) as database:
        database.executescript(statements + "PRAGMA application_id = 0x56494245; PRAGMA user_version = 1;")
        database.execute("ATTACH ? AS theirs", (str(path),))
        for table in ("meta", "arrays"):
            database.execute(f"INSERT INTO {table} SELECT * FROM theirs.{table}")
    assert [person.id for person in load_take(copy).people] == [1, 4]


def test_take_document_lists_every_array_and_key(tmp_path) -> None:
    text = (REPOSITORY / "docs" / "take.md").read_text(encoding="utf-8")
    names = {item.name for item in fields(Person)} - {"id", "words"} | {"times", "centre_px", "from_world"}
    assert set(re.findall(r"^\| `take\.(\w+)`", text, flags=re.MULTILINE)) == names
    words = {item.name for item in fields(NetworkWords)}
    assert set(re.findall(r"^\| `take\.words\.(\w+)`", text, flags=re.MULTILINE)) == words
    keys = {item.name for item in fields(Take)}
    assert set(re.findall(r"^\| `(\w+)` \|", text, flags=re.MULTILINE)) == keys


def with_joints(line: str) -> str:
    """An example whose 24 joints are left out, as it would be sent."""
    event = json.loads(line)
    if "rest_joints" in event:
        assert event["rest_joints"] == []
        event["rest_joints"] = REST_JOINTS.tolist()
    if "rotations" in event:
        assert event["rotations"] == [[], []]
        event["rotations"] = [[[1.0, 0.0, 0.0, 0.0]] * len(REST_JOINTS)] * 2
    return json.dumps(event) + "\n"


def test_protocol_examples_are_read_and_written_by_the_library() -> None:
    job, stream, other_ends = blocks("protocol.md", "json")
    assert protocol.Job.from_line(job).to_line() == job
    lines = stream.splitlines(keepends=True)
    kinds = []
    for line in [*lines, *other_ends.splitlines(keepends=True)]:
        whole = with_joints(line)
        event = protocol.event_from_line(whole)
        assert event is not None
        assert event.to_line() == whole
        kinds.append(type(event))
    assert set(kinds) == set(protocol.Event.__subclasses__())
    assert kinds[0] is protocol.Hello
    assert [kind for kind in kinds if kind in protocol.LAST_EVENTS] == kinds[len(lines) - 1 :]


def test_protocol_document_lists_every_event() -> None:
    text = (REPOSITORY / "docs" / "protocol.md").read_text(encoding="utf-8")
    types = {event.TYPE for event in protocol.Event.__subclasses__()}
    assert set(re.findall(r"^\| `(\w+)` \|", text, flags=re.MULTILINE)) == types


def test_evaluation_document_lists_every_measure() -> None:
    text = (REPOSITORY / "docs" / "evaluation.md").read_text(encoding="utf-8")
    measures = text.split("## The measures")[1].split("## The truth file")[0]
    rows = [row.split("|")[1] for row in measures.splitlines() if row.startswith("| `")]
    assert set(re.findall(r"`(\w+)`", " ".join(rows))) == {item.name for item in fields(PersonReport)}
    lists = {"people", "missed_people", "extra_people", "identity_switches"}
    assert lists <= set(re.findall(r"`(\w+)`", text)) & {item.name for item in fields(EvaluationReport)}


@pytest.mark.parametrize(
    "document", sorted([*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/*.md")]), ids=lambda path: path.name
)
def test_links_between_documents_lead_somewhere(document) -> None:
    text = re.sub(r"```.*?```", "", document.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        if "://" not in target:
            assert (document.parent / target).exists(), target
