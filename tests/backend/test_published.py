# SPDX-License-Identifier: MIT
"""The published files: known by name or content in any layout; what is missing and where to get it; importing SMPL."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backend import models, published
from backend.__main__ import main
from backend.body.smpl_files import read_smpl
from backend.model_list import list_files
from backend.models import MODEL_FILES
from backend.published import LICENCE, PUBLISHED, USED, PublishedFiles, find_published, missing, require, sex_of
from tests.published_bodies import make_arrays, make_regressors, make_smpl_pkl
from vibe_blender.contract.errors import CaptureError

SLOTS = {item.slot: item.name for item in PUBLISHED}


@pytest.fixture(autouse=True)
def default_folder(monkeypatch, tmp_path) -> Path:
    """An empty default folder, whatever this computer has."""
    folder = tmp_path / "default"
    folder.mkdir()
    monkeypatch.setenv("VIBE_MODELS", str(folder))
    return folder


@pytest.fixture
def shipped(monkeypatch) -> dict[str, bytes]:
    """Made contents of the landmark networks' files, which count as whole."""
    contents = {item.name: item.name.encode() for item in MODEL_FILES}
    sums = [(len(content), hashlib.sha256(content).hexdigest()) for content in contents.values()]
    made = [replace(item, size_bytes=size, sha256=sha) for item, (size, sha) in zip(MODEL_FILES, sums, strict=True)]
    monkeypatch.setattr(models, "MODEL_FILES", tuple(made))
    return contents


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """One file of each kind, in its published name."""
    pytest.importorskip("torch", reason="the network packages are not installed")
    from tests.published_files import make_mean_params, make_spin, make_tcmr, make_vibe

    folder = tmp_path_factory.mktemp("made")
    make_spin(folder / SLOTS["spin"], seed=1)
    make_vibe(folder / SLOTS["vibe"], seed=2)
    make_tcmr(folder / SLOTS["tcmr"], seed=4)
    make_mean_params(folder / SLOTS["mean_params"], seed=3)
    make_smpl_pkl(folder / SLOTS["smpl"])
    make_regressors(folder)
    return folder


def put(folder: Path, *names: str) -> Path:
    """Empty files under these names: a name alone is enough."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def names(files: PublishedFiles) -> dict[str, str]:
    return {slot: getattr(files, slot).name for slot in SLOTS if getattr(files, slot)}


class TestByName:
    @pytest.mark.parametrize(
        "layout",
        [
            "{}",
            "data/vibe_data/{}",
            "vibe_data/{}",
            "VIBE 模型/data/vibe_data/{}",
        ],
    )
    def test_in_any_layout(self, tmp_path, layout):
        put(tmp_path / "models", *(layout.format(name) for name in SLOTS.values()))
        files = find_published(tmp_path / "models")
        assert names(files) == SLOTS
        assert all(missing(files, estimator) == [] for estimator in USED)

    def test_spread_as_several_projects_have_them(self, tmp_path):
        put(
            tmp_path,
            "SPIN/data/smpl_mean_params.npz",
            "SPIN/data/smpl/basicModel_neutral_lbs_10_207_0_v1.0.0.pkl",
            "TCMR/data/base_data/SPIN_model_checkpoint.pth.tar",
            "vibe_model_w_3dpw.pth.tar",
        )
        assert set(names(find_published(tmp_path))) == {"mean_params", "smpl", "spin", "vibe"}

    def test_the_checkpoint_of_the_demo_and_the_converted_body_come_first(self, tmp_path):
        put(tmp_path, "vibe_model_w_3dpw.pth.tar", "deep/vibe_model_wo_3dpw.pth.tar")
        put(tmp_path, "SMPL_NEUTRAL.pkl", "deep/SMPL_NEUTRAL.npz", "deeper/still/vibe_model_wo_3dpw.pth.tar")
        files = find_published(tmp_path)
        assert files.vibe == tmp_path / "deep" / "vibe_model_wo_3dpw.pth.tar"
        assert files.smpl == tmp_path / "deep" / "SMPL_NEUTRAL.npz"

    def test_tcmr_s_demo_comes_before_those_of_its_tables(self, tmp_path):
        put(tmp_path, "tcmr_table4_mpii3dd_h36m_test.pth.tar")
        assert find_published(tmp_path).tcmr == tmp_path / "tcmr_table4_mpii3dd_h36m_test.pth.tar"
        put(tmp_path, "tcmr_table6_3dpw_test.pth.tar", "deep/TCMR_demo_model.pth")
        assert find_published(tmp_path).tcmr == tmp_path / "deep" / "TCMR_demo_model.pth"

    def test_earlier_folders_come_first(self, tmp_path):
        first, second = put(tmp_path / "a", SLOTS["vibe"]), put(tmp_path / "b", SLOTS["vibe"], SLOTS["spin"])
        files = find_published(first, second, first)
        assert files.vibe == first / SLOTS["vibe"]
        assert files.spin == second / SLOTS["spin"]
        assert files.folders == (first, second)

    def test_other_bodies_are_not_taken(self, tmp_path):
        put(tmp_path, "SMPL_MALE.pkl", "basicModel_f_lbs_10_207_0_v1.0.0.pkl", "SMPL_NEUTRAL.pkl.txt")
        put(tmp_path, ".hidden/SMPL_NEUTRAL.pkl")
        assert names(find_published(tmp_path)) == {}

    def test_no_folder(self, tmp_path):
        assert names(find_published(tmp_path / "not there")) == {}

    def test_only_so_many_folders_are_looked_through(self, tmp_path, monkeypatch):
        put(tmp_path, "a/x.txt", "b/SMPL_NEUTRAL.pkl")
        assert find_published(tmp_path).smpl
        monkeypatch.setattr(published, "_MOST_FOLDERS", 2)
        assert find_published(tmp_path).smpl is None


class TestByContent:
    def test_renamed_files_are_known(self, made, tmp_path):
        renamed = {
            "spin": "spin (1).pt", "vibe": "best.pth", "tcmr": "other.pth.tar", "mean_params": "mean.npz",
            "smpl": "body.pkl", "regressor_extra": "nine.npy", "regressor_h36m": "seventeen.npy",
        }  # fmt: skip
        for slot, name in renamed.items():
            shutil.copy(made / SLOTS[slot], tmp_path / name)
        assert names(find_published(tmp_path)) == renamed

    def test_checkpoints_as_torch_writes_them_now(self, made, tmp_path):
        from tests.published_files import make_spin, make_tcmr, make_vibe

        make_spin(tmp_path / "a.pth", zipped=True)
        make_vibe(tmp_path / "b.pth", zipped=True)
        make_tcmr(tmp_path / "c.pth", zipped=True)
        assert names(find_published(tmp_path)) == {"spin": "a.pth", "vibe": "b.pth", "tcmr": "c.pth"}

    @pytest.mark.parametrize("encoder", ["gru", "tcmr"])
    def test_a_network_of_the_user_s_own_is_no_published_one(self, tmp_path, encoder):
        pytest.importorskip("torch", reason="the network packages are not installed")
        from backend.own_networks import Architecture, build, save_own

        architecture = Architecture(encoder, hidden=16)
        save_own(tmp_path / "best.pt", build(architecture).state_dict(), architecture, "spin", 16, "")
        assert names(find_published(tmp_path)) == {}

    def test_a_converted_body_under_another_name(self, tmp_path):
        np.savez(tmp_path / "mine.npz", **make_arrays())
        assert names(find_published(tmp_path)) == {"smpl": "mine.npz"}

    def test_the_mannequin_is_no_smpl(self, tmp_path):
        assets = Path(__file__).resolve().parents[2] / "vibe_blender" / "assets"
        assert list(assets.glob("*.npz"))
        assert names(find_published(assets)) == {}

    def test_what_only_looks_like_them(self, made, tmp_path):
        content = (made / SLOTS["smpl"]).read_bytes()
        (tmp_path / "SMPL_FEMALE.pkl").write_bytes(content)
        (tmp_path / "with_hands.pkl").write_bytes(content + b"hands_mean")
        (tmp_path / "half.pth.tar").write_bytes(b"gen_state_dict encoder.gru_cur.weight_ih_l0 encoder.gru.weight_ih_l0")
        (tmp_path / "empty.pkl").touch()
        (tmp_path / "empty.npy").touch()
        (tmp_path / "page.npz").write_text("<html>")
        (tmp_path / "cut.pth").write_bytes(b"PK\x03\x04 cut off")
        np.save(tmp_path / "other.npy", np.zeros((9, 5)))
        header = (tmp_path / "other.npy").read_bytes()
        (tmp_path / "open bracket.npy").write_bytes(header.replace(b"(9, 5)", b"(9, 5 "))
        (tmp_path / "no grammar.npy").write_bytes(header.replace(b"<f8", b",f8"))
        np.savez(tmp_path / "other.npz", pose=np.zeros(3))
        shutil.copy(tmp_path / "other.npz", tmp_path / "archive.npy")
        assert names(find_published(tmp_path)) == {}


class TestMissing:
    def test_each_says_where_and_under_which_licence(self, tmp_path):
        absent = missing(find_published(tmp_path), "vibe")
        assert [item.slot for item in absent] == ["spin", "vibe", "smpl"]
        assert [item.slot for item in missing(find_published(tmp_path), "tcmr")] == ["spin", "tcmr", "smpl"]
        assert [item.slot for item in missing(find_published(tmp_path), "dts-vibe")] == ["spin", "smpl"]
        for item in PUBLISHED:
            assert item.licence == "research, non-commercial"
            assert re.search(r"github\.com/(mkocabas/VIBE|hongsukchoi/TCMR)|smpl\.is\.tue\.mpg\.de", item.source)

    def test_require(self, tmp_path):
        put(tmp_path, SLOTS["spin"], SLOTS["vibe"])
        files = find_published(tmp_path)
        assert require(files, "vibe", "spin") == (tmp_path / SLOTS["vibe"], tmp_path / SLOTS["spin"])
        with pytest.raises(CaptureError) as caught:
            require(files, "spin", "smpl")
        assert caught.value.code == "published_missing"
        assert caught.value.message == f"SMPL_NEUTRAL.pkl is not in {tmp_path}."
        assert "smpl.is.tue.mpg.de" in caught.value.hint
        assert LICENCE in caught.value.hint

    def test_each_file_has_its_source_and_no_archive_is_named_twice(self, tmp_path):
        with pytest.raises(CaptureError) as caught:
            require(find_published(tmp_path), "spin", "vibe", "smpl")
        hint = caught.value.hint
        assert hint.startswith(f"Get {SLOTS['spin']} and {SLOTS['vibe']} from vibe_data.zip of the project VIBE")
        assert "; SMPL_NEUTRAL.pkl from smpl.is.tue.mpg.de" in hint
        assert hint.count("vibe_data.zip") == 1

    @pytest.mark.parametrize("name", ["not there", "walk.mp4"])
    def test_a_folder_that_is_none_is_told_first(self, tmp_path, default_folder, name):
        (tmp_path / "walk.mp4").touch()
        with pytest.raises(CaptureError) as caught:
            require(find_published(tmp_path / name, default_folder), "smpl")
        assert caught.value.message.startswith(f"There is no folder {tmp_path / name}. SMPL_NEUTRAL.pkl is not in ")
        default_folder.rmdir()
        with pytest.raises(CaptureError) as caught:
            require(find_published(default_folder), "smpl")
        assert caught.value.message.startswith("SMPL_NEUTRAL.pkl is not in ")

    def test_several_are_told_in_a_row(self, tmp_path):
        with pytest.raises(CaptureError, match=r"tar, vibe_model_wo_3dpw\.pth\.tar and SMPL_NEUTRAL\.pkl are not in"):
            require(find_published(tmp_path), "spin", "vibe", "smpl")

    @pytest.mark.parametrize(
        ("name", "slots", "end"),
        [
            ("SMPL_MALE.pkl", {"smpl"}, " SMPL_MALE.pkl is there, but the neutral body is needed."),
            ("smpl/basicModel_f_lbs_10_207_0_v1.0.0.pkl", {"smpl"}, "there, but the neutral body is needed."),
            ("SMPL_FEMALE.npz", {"spin", "smpl"}, " SMPL_FEMALE.npz is there, but the neutral body is needed."),
            ("vibe_data.zip", {"spin"}, " vibe_data.zip is there, but it has to be unpacked."),
            ("SMPL_MALE.pkl", {"spin"}, "spin_model_checkpoint.pth.tar is not in {}."),
            ("other.zip", {"smpl"}, "SMPL_NEUTRAL.pkl is not in {}."),
        ],
    )
    def test_what_is_there_and_will_not_do_is_named(self, tmp_path, name, slots, end):
        put(tmp_path, name)
        with pytest.raises(CaptureError) as caught:
            require(find_published(tmp_path), *slots)
        assert caught.value.message.endswith(end.format(tmp_path))


class TestList:
    def test_with_nothing_there(self, tmp_path, capsys):
        assert main(["models", "list", "--models", str(tmp_path)]) == 0
        out = capsys.readouterr().out
        assert "vibe: missing spin_model_checkpoint.pth.tar, vibe_model_wo_3dpw.pth.tar, SMPL_NEUTRAL.pkl\n" in out
        assert "tcmr: missing spin_model_checkpoint.pth.tar, tcmr_demo_model.pth.tar, SMPL_NEUTRAL.pkl\n" in out
        assert "dts-vibe: missing spin_model_checkpoint.pth.tar, SMPL_NEUTRAL.pkl\n" in out
        assert "nobody publishes the weights of DTS-VIBE" in out
        assert "preset dts_vibe" in out
        assert "Put the files of vibe, tcmr and dts-vibe into a folder" in out
        assert out.count(f"licence: {LICENCE}") == sum(map(len, USED.values()))
        assert "smpl_mean_params.npz: missing (not needed for a capture)" in out
        assert "name it with --models" in out

    def test_with_everything_there(self, tmp_path, capsys):
        put(tmp_path / "data", *SLOTS.values())
        assert main(["models", "list", "--models", str(tmp_path)]) == 0
        out = capsys.readouterr().out
        assert all(f"\n{estimator}: complete\n" in out for estimator in USED)
        assert "into a folder" not in out
        assert str(tmp_path / "data" / SLOTS["vibe"]) in out

    def test_as_json(self, tmp_path, default_folder, capsys):
        put(default_folder, "SMPL_NEUTRAL.npz")
        assert main(["models", "list", "--models", str(tmp_path), "--json"]) == 0
        record = {(item["estimator"], item["name"]): item for item in json.loads(capsys.readouterr().out)}
        assert record["keypoints", "pose_detection.tflite"]["bytes"] == 2959046
        body = record["vibe", "SMPL_NEUTRAL.pkl"]
        assert body["state"] == "present"
        assert body["path"] == str(default_folder / "SMPL_NEUTRAL.npz")
        assert body["bytes"] is None
        assert record["vibe", SLOTS["spin"]]["state"] == "missing"

    def test_what_is_complete_without_the_optional_files_asks_for_nothing(self, tmp_path, capsys):
        put(tmp_path, SLOTS["spin"], SLOTS["vibe"], SLOTS["tcmr"], SLOTS["smpl"])
        assert main(["models", "list", "--models", str(tmp_path)]) == 0
        out = capsys.readouterr().out
        assert "vibe: complete\n" in out
        assert "into a folder" not in out

    def test_a_folder_that_is_none(self, tmp_path, capsys):
        assert main(["models", "list", "--models", str(tmp_path / "typo")]) == 0
        assert capsys.readouterr().out.startswith(f"There is no folder {tmp_path / 'typo'}.\n")
        assert main(["models", "verify", "--models", str(tmp_path / "typo")]) == 1
        assert f"There is no folder {tmp_path / 'typo'}." in capsys.readouterr().err

    def test_the_landmark_networks_may_lie_in_the_default_folder(self, tmp_path, default_folder, capsys, shipped):
        for item in MODEL_FILES:
            (default_folder / item.name).write_bytes(shipped[item.name])
        published = put(tmp_path / "published", SLOTS["spin"])
        assert main(["models", "list", "--models", str(published)]) == 0
        assert "keypoints: complete\n" in capsys.readouterr().out
        assert main(["models", "verify", "--models", str(published)]) == 0
        (published / MODEL_FILES[0].name).write_bytes(b"damaged")
        assert main(["models", "verify", "--models", str(published)]) == 1
        assert f"{MODEL_FILES[0].name}: damaged" in capsys.readouterr().out

    def test_what_is_fetched_comes_first_and_names_its_size(self, tmp_path):
        listed = list_files(tmp_path)
        assert [file.estimator for file in listed] == ["keypoints"] * 2 + [
            name for name, used in USED.items() for _ in used
        ]
        assert all(bool(file.bytes) == (file.estimator == "keypoints") for file in listed)


class TestImport:
    def test_a_file_then_the_folder_has_it(self, tmp_path, default_folder, capsys):
        path = tmp_path / "下载" / "basicModel_neutral_lbs_10_207_0_v1.0.0.pkl"
        path.parent.mkdir()
        arrays = make_smpl_pkl(path, protocol=0)
        assert main(["models", "import", str(path)]) == 0
        target = default_folder / "SMPL_NEUTRAL.npz"
        assert capsys.readouterr().out == f"{target}\n"
        np.testing.assert_array_equal(read_smpl(target).template, arrays["v_template"])
        assert find_published(default_folder).smpl == target

    def test_a_folder(self, tmp_path):
        (tmp_path / "vibe_data").mkdir()
        make_smpl_pkl(tmp_path / "vibe_data" / "SMPL_NEUTRAL.pkl")
        assert main(["models", "import", str(tmp_path), "--models", str(tmp_path / "new")]) == 0
        assert (tmp_path / "new" / "SMPL_NEUTRAL.npz").is_file()

    def test_a_folder_without_one(self, tmp_path, capsys):
        assert main(["models", "import", str(tmp_path)]) == 1
        assert "SMPL_NEUTRAL.pkl is not in" in capsys.readouterr().err

    def test_a_womans_body_keeps_its_name(self, tmp_path, default_folder):
        make_smpl_pkl(tmp_path / "basicModel_f_lbs_10_207_0_v1.0.0.pkl")
        assert main(["models", "import", str(tmp_path / "basicModel_f_lbs_10_207_0_v1.0.0.pkl")]) == 0
        assert [path.name for path in default_folder.iterdir()] == ["SMPL_FEMALE.npz"]
        assert find_published(default_folder).smpl is None

    def test_one_that_would_run_a_program(self, tmp_path, default_folder, capsys):
        witness = tmp_path / "witness"
        (tmp_path / "SMPL_NEUTRAL.pkl").write_bytes(b"cos\nsystem\n(S" + repr(f"echo > {witness}").encode() + b"\ntR.")
        assert main(["models", "import", str(tmp_path / "SMPL_NEUTRAL.pkl")]) == 1
        error = capsys.readouterr().err
        assert "os.system" in error
        assert error.strip().count("\n") == 0
        assert not witness.exists()
        assert list(default_folder.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "sex"),
    [
        ("SMPL_NEUTRAL.pkl", "neutral"), ("basicModel_neutral_lbs_10_207_0_v1.0.0.pkl", "neutral"),
        ("basicmodel_m_lbs_10_207_0_v1.0.0.pkl", "male"), ("basicModel_f_lbs_10_207_0_v1.0.0.pkl", "female"),
        ("SMPL_FEMALE.npz", "female"), ("smpl.pkl", "neutral"), ("model.pkl", "neutral"),
    ],
)  # fmt: skip
def test_whose_body_a_name_means(name, sex):
    assert sex_of(Path(name)) == sex
