"""A second network that sees motion: optical flow by torchvision's RAFT, and an R(2+1)D on its two channels.

The flow of a frame is that to the next one of its clip; the last frame has the flow of the one before it. Pixels that
it moves are cut at 20 to either side and scaled to 0 to 1, as pictures are, before the network's own normalisation.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from reeltrace.errors import UserError
from reeltrace.models import weights
from reeltrace.recognition.nets import Loaded
from reeltrace.recognition.recognise import Stream, check_use
from reeltrace.recognition.views import Frames, normalised

LARGEST = 20.0  # pixels of motion between two frames that count
LEAST_SIDE = 128  # of what RAFT takes: its last maps are an eighth, and it pools them three times
Flow = Callable[[Tensor], Tensor]
"""From pictures (T, 3, H, W), 0 to 1, to the flow from each to the next (T - 1, 2, H, W), in pixels: x, then y."""


def raft(path: Path | None, device: torch.device, *, random: bool = False) -> Flow:
    """RAFT with the weights of a file, or random ones for trying. Raises UserError where the file is of another net.

    The file is a state dict of torchvision's `raft_small` or `raft_large`, which is told by its names.
    """
    from torchvision.models.optical_flow import raft_large, raft_small  # type: ignore[import-untyped]

    if path is None and not random:
        raise UserError(
            "--flow computes optical flow with RAFT: name its weights with --raft, or try with --random-raft"
        )
    if path is None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            net: nn.Module = raft_small(weights=None)
    else:
        try:
            state = weights.read_state(path)
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror}); name a file of RAFT's weights") from None
        except ValueError as error:
            raise UserError(f"{path}: not a file of weights ({error}); name one of torchvision's RAFT") from error
        large = any(name.startswith("mask_predictor.") for name in state)  # the small one scales its flow up instead
        net = raft_large(weights=None) if large else raft_small(weights=None)
        weights.load(net, state, f"{path}: not the weights of torchvision's RAFT", "name another file with --raft")
    net = net.eval().to(device)

    def flow(pictures: Tensor) -> Tensor:
        height, width = pictures.shape[-2:]
        # both sides a multiple of 8, and no less than what is pooled away
        wanted = [max(LEAST_SIDE, -(-side // 8) * 8) for side in (height, width)]
        wide = pad(2 * pictures - 1, (0, wanted[1] - width, 0, wanted[0] - height), mode="replicate").to(device)
        found = [
            net(wide[at : at + 1], wide[at + 1 : at + 2])[-1][..., :height, :width].cpu() for at in range(len(wide) - 1)
        ]
        return torch.cat(found)

    return flow


def flow_stream(loaded: Loaded, flow: Flow, device: torch.device) -> Stream:
    """A network that sees the flow of a clip. Raises UserError for one that does not take two channels."""
    check_use(loaded, channels=2)
    net, view = loaded.net.to(device), loaded.view
    last: list[tuple[Frames, Tensor]] = []  # the flow of a clip serves all its crops

    def seen(clip: Frames, corner: tuple[int, int]) -> Tensor:
        if not last or last[0][0] is not clip:
            last[:] = [(clip, flow_of(clip, flow))]
        top, left = corner
        cut = last[0][1][..., top : top + view.crop, left : left + view.crop]
        given = normalised(cut, view.mean, view.std)[None].to(device)
        logits: Tensor = net(given)
        return logits.float().softmax(1)[0].cpu()

    return seen


def flow_of(clip: Frames, flow: Flow) -> Tensor:
    """The flow of a clip (T, H, W, 3), as a network's input before its normalisation: (2, T, H, W), 0 to 1."""
    pictures = torch.from_numpy(np.ascontiguousarray(clip)).permute(0, 3, 1, 2).float() / 255
    moved = flow(pictures) if len(clip) > 1 else torch.zeros(1, 2, *clip.shape[1:3])
    whole = torch.cat([moved, moved[-1:]])[: len(clip)]
    return (whole.clamp(-LARGEST, LARGEST) / (2 * LARGEST) + 0.5).permute(1, 0, 2, 3)
