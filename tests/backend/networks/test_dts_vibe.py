# SPDX-License-Identifier: MIT
"""DTS-VIBE: its sizes, what reaches what, and clips in overlapping windows."""

from __future__ import annotations

from itertools import product

import pytest
import torch

from backend.networks import dts_vibe
from backend.networks.dts_vibe import DtsVibe, blended, shown_flow, windows
from backend.networks.regressor import Regressed
from backend.networks.resnet import ResNet50
from backend.networks.transformer import Transformer, positions

WIDTH = 32
NAMES = ("rotations", "betas", "camera")
VARIANTS = list(product(("grid", "none"), ("transformer", "gru"), ("transformer", "iterative")))


def network(width: int = WIDTH, *, seed: int = 0, **kinds: str) -> DtsVibe:
    """A network with weights drawn by lot, whose last layers say enough for bodies to differ."""
    torch.manual_seed(seed)
    drawn = DtsVibe(width, **kinds)
    for name, start in (("init_pose", torch.eye(3)[:, :2].repeat(24, 1)), ("init_cam", torch.tensor([0.9, 0, 0]))):
        getattr(drawn.regressor, name).copy_(start.reshape(1, -1))
    if hasattr(drawn.regressor, "fine"):
        for layer in (drawn.regressor.coarse, drawn.regressor.fine):
            torch.nn.init.normal_(layer.weight, std=0.2 / width**0.5)
    return drawn.eval()


def clip(frames: int, seed: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    """(F, 2048) features and (F, 2, 56, 56) flow that change steadily, as those of a moving person do."""
    chance = torch.Generator().manual_seed(seed)

    def steady(*shape: int) -> torch.Tensor:
        few = torch.rand(1, int(torch.tensor(shape).prod()), frames // 12 + 4, generator=chance)
        many = torch.nn.functional.interpolate(few, size=(frames // 12 + 3) * 12 + 1, mode="linear", align_corners=True)
        return many[0, :, 5 : 5 + frames].T.reshape(frames, *shape)

    return steady(2048), 20 * (steady(2, 56, 56) - 0.5)


def test_it_has_the_parameters_of_its_description() -> None:
    count = {name: sum(p.numel() for p in part.parameters()) for name, part in DtsVibe().named_children()}
    block = 3 * 512**2 + (512**2 + 512) + (512 * 2048 + 2048) + (2048 * 512 + 512) + 2 * 2 * 512
    assert count == {
        "rgb": 2048 * 512 + 512,
        "flow_stream": sum(p.numel() for p in ResNet50().parameters()) + 2048 * 512 + 512,
        "encoder": 6 * block + 2 * 512,
        "regressor": (512 * 157 + 157) + (157 * 512 + 512) + 3 * block + 2 * 512 + (512 * 157 + 157),
    }
    assert count == {"rgb": 1_049_088, "flow_stream": 24_557_120, "encoder": 18_906_112, "regressor": 9_695_546}
    assert sum(count.values()) == 54_207_866


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ({"flow": "grid"}, 54_207_866 - 23_508_032),
        ({"flow": "none"}, 54_207_866 - 24_557_120),
        ({"flow": "none", "temporal": "gru"}, 29_650_746 - 18_906_112 + 11_547_136),
        ({"flow": "none", "regressor": "iterative"}, 29_650_746 - 9_695_546 + 3_469_469 + 1_050_624),
    ],
)
def test_variants_have_the_parameters_of_their_parts(kinds, expected) -> None:
    assert sum(p.numel() for p in DtsVibe(**kinds).parameters()) == expected


def test_a_width_that_heads_cannot_share_is_refused() -> None:
    with pytest.raises(ValueError, match="heads"):
        DtsVibe(20, flow="none")


@pytest.mark.parametrize(("flow", "temporal", "regressor"), [*VARIANTS, ("resnet50", "transformer", "transformer")])
def test_shapes_and_a_gradient_for_every_parameter(flow, temporal, regressor) -> None:
    trained = network(flow=flow, temporal=temporal, regressor=regressor).train()
    features, motion = torch.rand(2, 3, 2048), 8 * torch.randn(2, 3, 2, 56, 56)
    said, state = trained(features, None if flow == "none" else motion)
    assert state is None
    assert [tuple(getattr(said, n).shape) for n in NAMES] == [(2, 3, 24, 3, 3), (2, 3, 10), (2, 3, 3)]
    assert torch.allclose(torch.linalg.det(said.rotations), torch.ones(2, 3, 24), atol=1e-4)
    sum((torch.randn_like(getattr(said, n)) * getattr(said, n)).sum() for n in NAMES).backward()
    without = [n for n, p in trained.named_parameters() if p.grad is None or not p.grad.abs().max() > 1e-9]
    assert without == []


@pytest.mark.parametrize(("flow", "temporal", "regressor"), VARIANTS)
def test_over_is_forward_where_the_clip_is_one_window(flow, temporal, regressor) -> None:
    drawn = network(flow=flow, temporal=temporal, regressor=regressor)
    for frames in (16, 1, 2, 7):
        features, motion = clip(frames)
        with torch.inference_mode():
            over, (whole, _) = drawn.over(features, motion), drawn(features[None], motion[None])
        for name in NAMES:
            assert torch.allclose(getattr(over, name), getattr(whole, name)[0], atol=1e-5)


def test_over_with_the_published_stream_is_forward() -> None:
    drawn, (features, motion) = network(flow="resnet50"), clip(3)
    with torch.inference_mode():
        over, (whole, _) = drawn.over(features, motion), drawn(features[None], motion[None])
    for name in NAMES:
        assert torch.allclose(getattr(over, name), getattr(whole, name)[0], atol=1e-5)


@pytest.mark.parametrize("frames", [1, 5, 16, 17, 19, 20, 33, 300])
@pytest.mark.parametrize("length", [16, 7, 1])
def test_windows_cover_clips_of_any_length(frames, length) -> None:
    rows = windows(frames, length)
    assert rows.shape[1] == min(length, frames)
    assert torch.equal(rows.unique(), torch.arange(frames))
    assert len(rows.unique(dim=0)) == len(rows)
    said = Regressed(torch.eye(3).expand(*rows.shape, 24, 3, 3), rows[..., None].float().expand(-1, -1, 10),
                     torch.ones(*rows.shape, 3))  # fmt: skip
    whole = blended(said, rows)
    assert torch.allclose(whole.betas, torch.arange(frames)[:, None].float().expand(-1, 10), rtol=1e-5)
    assert torch.allclose(whole.rotations, torch.eye(3).expand(frames, 24, 3, 3), atol=1e-6)


@pytest.mark.parametrize("temporal", ["transformer", "gru"])
def test_windows_are_blended_without_jumps(temporal) -> None:
    """The largest step at a border of windows, compared with steps elsewhere: blended, and each window by itself."""
    drawn, (features, motion) = network(flow="grid", temporal=temporal), clip(96)
    with torch.inference_mode():
        over = drawn.over(features, motion)
        apart, _ = drawn(features.reshape(6, 16, -1), motion.reshape(6, 16, 2, 56, 56))
    for name in NAMES:
        smooth, cut = (getattr(each, name).reshape(96, -1).diff(dim=0).norm(dim=1) for each in (over, apart))
        assert cut[15::16].mean() > 2 * cut.mean()
        # Windows of ``over`` begin and end every four frames.
        starts = torch.arange(95) % 4 == 3
        assert smooth[starts].mean() < 1.25 * smooth[~starts].mean()
        assert smooth.max() < 0.6 * cut[15::16].max()


def test_where_windows_disagree_the_nearer_to_its_middle_counts_more() -> None:
    rows = windows(20, 16)
    said = Regressed(torch.eye(3).expand(2, 16, 24, 3, 3), torch.zeros(2, 16, 10), torch.zeros(2, 16, 3))
    said.betas[1] = 1.0
    shares = blended(said, rows).betas[:, 0]
    assert torch.equal(shares[:4], torch.zeros(4))
    assert torch.allclose(shares[16:], torch.ones(4))
    assert (shares.diff() >= 0).all()
    assert shares.diff().max() < 0.2  # nearly 1 without a blend
    assert shares[9] + shares[10] == pytest.approx(1.0, abs=1e-6)


def test_rotations_blend_to_rotations() -> None:
    """Two windows, a third of a turn apart: half of it in the middle, and a rotation everywhere."""

    def turn(angle: float) -> torch.Tensor:
        sine, cosine = torch.tensor(angle).sin(), torch.tensor(angle).cos()
        return torch.stack([torch.stack([cosine, -sine]), torch.stack([sine, cosine])])

    matrices = torch.eye(3).repeat(2, 16, 24, 1, 1)
    matrices[0, ..., :2, :2], matrices[1, ..., :2, :2] = turn(-1.0), turn(1.0)
    said = Regressed(matrices, torch.zeros(2, 16, 10), torch.zeros(2, 16, 3))
    rows = torch.arange(16).expand(2, 16)
    assert torch.allclose(blended(said, rows).rotations, torch.eye(3).expand(16, 24, 3, 3), atol=1e-6)
    whole = blended(said, windows(20, 16)).rotations
    assert torch.allclose(whole @ whole.transpose(-1, -2), torch.eye(3).expand_as(whole), atol=1e-5)
    assert torch.allclose(torch.linalg.det(whole), torch.ones(20, 24), atol=1e-5)
    opposite = torch.stack([torch.eye(3), torch.diag(torch.tensor([-1.0, -1.0, 1.0]))])[:, None, None]
    three = torch.stack([*opposite, torch.diag(torch.tensor([1.0, -1.0, -1.0])).expand(1, 1, 3, 3)])
    said = Regressed(three.expand(3, 16, 24, 3, 3), torch.zeros(3, 16, 10), torch.zeros(3, 16, 3))
    assert torch.allclose(torch.linalg.det(blended(said, torch.arange(16).expand(3, 16)).rotations), torch.ones(16, 24))


def test_flow_counts_and_unknown_flow_says_nothing() -> None:
    drawn, (features, motion) = network(flow="grid"), clip(4)
    none = network(flow="none")
    parts = {name: values for name, values in drawn.state_dict().items() if not name.startswith("flow_stream")}
    none.load_state_dict(parts)
    with torch.inference_mode():
        with_flow, nothing = drawn(features[None], motion[None])[0], drawn(features[None], 0 * motion[None])[0]
        without = none(features[None])[0]
    assert torch.allclose(nothing.rotations, without.rotations, atol=1e-6)
    assert (with_flow.rotations - without.rotations).abs().max() > 1e-2
    with pytest.raises(ValueError, match="flow"):
        drawn(features[None])


def test_the_flow_comes_after_the_encoder() -> None:
    """One frame's flow reaches other frames through the regressor only: late fusion."""
    features, motion = clip(6)
    changed = motion.clone()
    changed[2] += 5
    for regressor, others in (("iterative", False), ("transformer", True)):
        drawn = network(flow="grid", regressor=regressor)
        with torch.inference_mode():
            one, two = (drawn(features[None], some[None])[0].rotations[0] for some in (motion, changed))
        moved = (one - two).abs().flatten(1).amax(1) > 1e-6
        assert moved.tolist() == [True if frame == 2 else others for frame in range(6)]


def test_flow_as_a_picture() -> None:
    flow = torch.zeros(1, 2, 56, 56)
    flow[0, :, 0, 0] = torch.tensor([6.0, 8.0])
    flow[0, :, 1, 1] = torch.tensor([-300.0, 400.0])
    picture = shown_flow(flow)
    assert picture[0, :, 0, 0].tolist() == pytest.approx([0.75, 1.0, 1.25])
    assert picture[0, :, 1, 1].tolist() == pytest.approx([-1.5, 2.0, 2.5])
    assert picture[0, :, 2, 2].tolist() == [0, 0, 0]


def test_the_grid_is_an_average() -> None:
    flow = torch.randn(3, 2, 56, 56)
    area = DtsVibe(WIDTH, flow="grid").flow_stream.area
    # Seven fine cells are four coarse ones: 224 is the least number of parts that both divide.
    fine = flow.repeat_interleave(4, 2).repeat_interleave(4, 3)
    assert torch.allclose(area @ flow @ area.T, torch.nn.functional.avg_pool2d(fine, 7), atol=1e-5)


def test_attention_of_both_transformers() -> None:
    drawn, (features, motion) = network(flow="grid"), clip(9)
    with torch.inference_mode():
        attended = drawn.attention(features[None], motion[None])
        still = network(flow="grid", temporal="gru", regressor="iterative").attention(features[None], motion[None])
    assert attended.encoder.shape == (1, 6, 8, 9, 9)
    assert attended.regressor.shape == (1, 3, 4, 9, 9)
    for maps in (attended.encoder, attended.regressor):
        assert torch.allclose(maps.sum(-1), torch.ones_like(maps[..., 0]), atol=1e-5)
        assert maps.std() > 1e-3
    assert still == dts_vibe.Attended(None, None)


def test_the_transformer_is_that_of_torch() -> None:
    """Against torch's own layers, whose keys and queries get our weights and no biases."""
    torch.manual_seed(3)
    ours = Transformer(WIDTH, layers=2, heads=4).eval()
    layer = torch.nn.TransformerEncoderLayer(WIDTH, 4, 4 * WIDTH, batch_first=True, norm_first=True)
    theirs = torch.nn.TransformerEncoder(layer, 2, torch.nn.LayerNorm(WIDTH), enable_nested_tensor=False).eval()
    names = {
        "attention.inputs.weight": "self_attn.in_proj_weight", "attention.output.weight": "self_attn.out_proj.weight",
        "attention.output.bias": "self_attn.out_proj.bias", "layers.0.weight": "linear1.weight",
        "layers.0.bias": "linear1.bias", "layers.3.weight": "linear2.weight", "layers.3.bias": "linear2.bias",
        "before_attention.weight": "norm1.weight", "before_attention.bias": "norm1.bias",
        "before_layers.weight": "norm2.weight", "before_layers.bias": "norm2.bias",
    }  # fmt: skip
    weights = {f"layers.{i}.self_attn.in_proj_bias": torch.zeros(3 * WIDTH) for i in range(2)}
    for name, values in ours.state_dict().items():
        if name.startswith("norm"):
            weights[name] = values
            continue
        _, number, rest = name.split(".", 2)
        weights[f"layers.{number}.{names[rest]}"] = values
    theirs.load_state_dict(weights)
    frames = torch.randn(2, 5, WIDTH)
    with torch.no_grad():
        assert torch.allclose(ours(frames)[0], theirs(frames + positions(5, WIDTH)), atol=1e-5)


def test_places_differ_and_are_bounded() -> None:
    places = positions(200, WIDTH)
    assert places.shape == (200, WIDTH)
    assert places.abs().max() <= 1
    assert places[:2, :2].flatten().tolist() == pytest.approx([0, 1, 0.841471, 0.540302], abs=1e-5)
    assert torch.pdist(places).min() > 0.1


def test_the_mean_body_is_where_it_starts() -> None:
    """A new network says nearly the body its buffers hold, whatever it sees."""
    torch.manual_seed(5)
    drawn = DtsVibe(WIDTH, flow="grid").eval()
    drawn.regressor.init_pose.copy_(torch.eye(3)[:, :2].repeat(24, 1).reshape(1, -1))
    drawn.regressor.init_shape.fill_(0.5)
    drawn.regressor.init_cam.copy_(torch.tensor([[0.9, 0.1, -0.1]]))
    features, motion = clip(4)
    with torch.inference_mode():
        said, _ = drawn(features[None], motion[None])
    for values, start in (
        (said.rotations, torch.eye(3)),
        (said.betas, 0.5),
        (said.camera, said.camera.new_tensor([0.9, 0.1, -0.1])),
    ):
        assert (values - start).abs().max() < 0.1
    assert (said.betas - 0.5).abs().max() > 1e-5
