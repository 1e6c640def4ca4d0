# SPDX-License-Identifier: MIT
"""TCMR (Choi et al. 2021): a frame as its past, its future and the frames all around it say, weighed by attention."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from .regressor import Regressed, Regressor
from .resnet import FEATURES

WINDOW = 16
"""Frames that the published weights look at."""
_LAYERS, _BRANCHES = 2, 3
_SHORTEST = 3
_AT_ONCE = 256
"""Windows a batch: enough to keep a processor busy, in about 120 MiB however long the clip is."""


class Attention(nn.Module):
    """Three features of one frame to how much each counts (section 3.3 of the paper)."""

    def __init__(self, width: int) -> None:
        """Layers of ``width`` numbers; 256 as published."""
        super().__init__()
        self.fc = nn.Linear(FEATURES, width)
        layers: list[nn.Module] = []
        for wide, narrow in ((_BRANCHES * width, width), (width, width), (width, _BRANCHES)):
            layers += [nn.Linear(wide, narrow), nn.Tanh()]
        self.attention = nn.Sequential(*layers)

    def forward(self, branches: Tensor) -> Tensor:
        """(N, 3, 2048) to (N, 3), which sum to one."""
        return self.attention(self.fc(branches).flatten(1)).softmax(dim=-1)


class TcmrEncoder(nn.Module):
    """Three recurrent networks around the middle frame, of which only one sees that frame.

    ``gru_cur`` runs over the whole window both ways, ``gru_bef`` from its first frame to the one before the middle,
    ``gru_aft`` from its last frame back to the one behind the middle.
    """

    def __init__(self, hidden: int) -> None:
        """As ``Tcmr``."""
        super().__init__()
        self.gru_cur = nn.GRU(FEATURES, hidden, num_layers=_LAYERS, bidirectional=True)
        self.gru_bef = nn.GRU(FEATURES, hidden, num_layers=_LAYERS)
        self.gru_aft = nn.GRU(FEATURES, hidden, num_layers=_LAYERS)
        self.linear_cur = nn.Linear(2 * hidden, FEATURES)
        self.linear_bef = nn.Linear(hidden, FEATURES)
        self.linear_aft = nn.Linear(hidden, FEATURES)
        self.attention = Attention(hidden // 4)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """What the branches say of the middle frame.

        Args:
            features: (N, T, 2048), T at least 3.

        Returns:
            (N, 3, 2048) of past, all and future frames, and their weights (N, 3).
        """
        length = features.shape[1]
        if length < _SHORTEST:
            raise ValueError(f"a window of {length} frames has no past or no future")
        frames, middle = features.transpose(0, 1), length // 2
        past = self.gru_bef(frames[:middle])[0][-1]
        current = self.gru_cur(frames)[0][middle]
        future = self.gru_aft(frames[middle + 1 :].flip(0))[0][-1]
        return self._weighed(past, current, future)

    def batched(self, features: Tensor, count: int, length: int, move: int) -> tuple[Tensor, Tensor]:
        """As ``forward``, for ``count`` windows that share their frames, with each frame's input products made once.

        The middle frame needs of the second layer but the way to it from either end, and that alone is computed.

        Args:
            features: (R, 2048) frames.
            count: number of windows.
            length: frames in each.
            move: 1 where window ``i`` holds the frames ``i`` to ``i + length - 1``; 0 where it holds frame ``i``
                ``length`` times.
        """
        middle = length // 2
        steps = [slice(move * step, move * step + count) for step in range(length)]
        cur, bef, aft = self.gru_cur, self.gru_bef, self.gru_aft
        past = _last(bef, 1, "", _over_frames(bef, "", features, steps[:middle]))
        future = _last(aft, 1, "", _over_frames(aft, "", features, steps[:middle:-1]))
        ahead = _over_frames(cur, "", features, steps)
        back = _over_frames(cur, "_reverse", features, steps[::-1])[::-1]
        both = [torch.cat(pair, dim=-1) for pair in zip(ahead, back, strict=True)]
        del ahead, back
        reached = [_last(cur, 1, "", both[: middle + 1]), _last(cur, 1, "_reverse", both[: middle - 1 : -1])]
        return self._weighed(past, torch.cat(reached, dim=-1), future)

    def _weighed(self, past: Tensor, current: Tensor, future: Tensor) -> tuple[Tensor, Tensor]:
        """The branches' last layers over (N, hidden), (N, 2 hidden), (N, hidden)."""
        last = ((self.linear_bef, past), (self.linear_cur, current), (self.linear_aft, future))
        branches = [layer(torch.relu(inner)) for layer, inner in last]
        together = torch.stack(branches, dim=1)
        return together, self.attention(together)


class Tcmr(nn.Module):
    """The encoder and the regressor; names as in ``gen_state_dict`` of the published files."""

    def __init__(self, hidden: int = 1024, *, residual: bool = False) -> None:
        """Prepares the layers.

        Args:
            hidden: numbers of a layer; 1024 as published. The attention has a quarter of it.
            residual: the middle frame's own feature is added to what all three together say of it, as VIBE does. The
                paper takes this out, and that is most of what it does against trembling.
        """
        super().__init__()
        self.residual = residual
        self.encoder = TcmrEncoder(hidden)
        self.regressor = Regressor(hidden)

    def forward(self, features: Tensor) -> tuple[Regressed, Tensor]:
        """Bodies of the middle frame of each window.

        Args:
            features: (N, T, 2048); the middle frame is T // 2.

        Returns:
            While training bodies (N, 3, …) as past, future and all three together say, each of which is to be like the
            middle frame; else bodies (N, 1, …) of all together. And the weights (N, 3) of past, all and future frames.
        """
        branches, weights = self.encoder(features)
        together = self._mixed(branches, weights, features[:, features.shape[1] // 2])
        if self.training:
            return self.regressor(torch.stack([branches[:, 0], branches[:, 2], together], dim=1)), weights
        return self.regressor(together[:, None]), weights

    @torch.no_grad()
    def over(self, features: Tensor, *, repeat_ends: bool = False, length: int = WINDOW) -> tuple[Regressed, Tensor]:
        """Bodies of every frame of a clip, each by the window around it; for capture and tests, not for training.

        Frames near the ends have windows that reach beyond them. There the clip is mirrored: before frame 0 come the
        frames 1, 2, 3 …, and behind the last one those before it. So every window holds real pictures, each for as long
        as it lasts, moving as fast as the person does, and windows change by one frame from each to the next.

        Args:
            features: (F, 2048), at least one frame, in the order of time; on any device.
            repeat_ends: as the published demo does: the first ``length // 2`` frames, and as many at the end as fill
                the window, are seen without their neighbours, as windows of ``length`` times that frame.
            length: frames of a window.

        Returns:
            Bodies (F, …) and the weights (F, 3) of past, all and future frames, where the network's weights are.
        """
        if length < _SHORTEST:
            raise ValueError(f"a window of {length} frames has no past or no future")
        device = self.encoder.linear_cur.weight.device
        said, weighed = [], []
        for rows, count, move in _batches(len(features), length, repeat_ends):
            some = features[rows.to(features.device)].to(device)
            branches, weights = self.encoder.batched(some, count, length, move)
            first = move * (length // 2)
            said.append(self.regressor(self._mixed(branches, weights, some[first : first + count])))
            weighed.append(weights)
        parts = (torch.cat([getattr(each, name) for each in said]) for name in ("rotations", "betas", "camera"))
        return Regressed(*parts), torch.cat(weighed)

    def _mixed(self, branches: Tensor, weights: Tensor, middle: Tensor) -> Tensor:
        """(N, 2048) of branches (N, 3, 2048), weights (N, 3) and the middle frames' own features (N, 2048)."""
        together = (branches * weights[..., None]).sum(dim=1)
        return together + middle if self.residual else together


def mirrored(frames: int, before: int, behind: int) -> Tensor:
    """Indices (before + frames + behind,) of a clip's frames, with those beyond its ends mirrored.

    The frame at the end itself is not doubled; a clip shorter than what is asked for goes to and fro.
    """
    places = torch.arange(-before, frames + behind)
    if frames == 1:
        return torch.zeros_like(places)
    places = places.remainder(2 * (frames - 1))
    return torch.minimum(places, 2 * (frames - 1) - places)


def _batches(frames: int, length: int, repeat_ends: bool) -> Iterator[tuple[Tensor, int, int]]:
    """Which frames to take (R,), how many windows they make, and how far each moves on; in the order of time."""
    middle = length // 2
    rest = length - 1 - middle
    if not repeat_ends:
        yield from _moving(mirrored(frames, middle, rest), frames, length)
    elif frames < length:
        yield from _standing(0, frames)
    else:
        yield from _standing(0, middle)
        yield from _moving(torch.arange(frames), frames - length + 1, length)
        yield from _standing(frames - rest, frames)


def _moving(rows: Tensor, windows: int, length: int) -> Iterator[tuple[Tensor, int, int]]:
    for first in range(0, windows, _AT_ONCE):
        count = min(_AT_ONCE, windows - first)
        yield rows[first : first + count + length - 1], count, 1


def _standing(first: int, end: int) -> Iterator[tuple[Tensor, int, int]]:
    for rows in torch.arange(first, end).split(_AT_ONCE):
        yield rows, len(rows), 0


def _over_frames(gru: nn.GRU, way: str, features: Tensor, steps: Sequence[slice]) -> list[Tensor]:
    """What a first layer remembers after each step, (N, hidden) each; the step takes the frames of its slice."""
    seen = functional.linear(features, getattr(gru, f"weight_ih_l0{way}"), getattr(gru, f"bias_ih_l0{way}"))
    return _states(gru, 0, way, [seen[step] for step in steps])


def _last(gru: nn.GRU, layer: int, way: str, inputs: Sequence[Tensor]) -> Tensor:
    """What a layer remembers (N, hidden) after the last of its inputs (N, …)."""
    weight, bias = getattr(gru, f"weight_ih_l{layer}{way}"), getattr(gru, f"bias_ih_l{layer}{way}")
    return _states(gru, layer, way, [functional.linear(each, weight, bias) for each in inputs])[-1]


def _states(gru: nn.GRU, layer: int, way: str, seen: Sequence[Tensor]) -> list[Tensor]:
    """The states after each step of input products (N, 3 hidden), from rest: Cho et al. 2014 as torch has it."""
    weight, bias = getattr(gru, f"weight_hh_l{layer}{way}"), getattr(gru, f"bias_hh_l{layer}{way}")
    states: list[Tensor] = []
    for now in seen:
        kept = functional.linear(states[-1], weight, bias) if states else bias
        (reset_in, update_in, new_in), (reset_kept, update_kept, new_kept) = now.chunk(3, -1), kept.chunk(3, -1)
        update = torch.sigmoid(update_in + update_kept)
        new = torch.tanh(new_in + torch.sigmoid(reset_in + reset_kept) * new_kept)
        states.append(torch.lerp(new, states[-1], update) if states else (1 - update) * new)
    return states
