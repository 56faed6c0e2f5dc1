"""Checkpoints in the formats of DINOv2's and Scale-MAE's own programs, small and random, and what their networks give: for
tests/weights.rs. Blocks are timm's, the rest is written here as those programs do it.

    python checkpoints_own_torch.py    # writes checkpoint_dinov2_chunked.safetensors and checkpoints_own.safetensors beside it
"""

import functools
import os

import torch
from safetensors.torch import save_file
from timm.models.vision_transformer import Block

torch.manual_seed(2)
folder = os.path.dirname(os.path.abspath(__file__))
width, side, registers = 16, 2, 4
norm = functools.partial(torch.nn.LayerNorm, eps=1e-6)


def save(tensors, name):
    tensors = {k: v.detach().contiguous() for k, v in tensors.items()}
    save_file(tensors, os.path.join(folder, name))


def network():
    parts = torch.nn.ModuleDict({
        "patch_embed": torch.nn.ModuleDict({"proj": torch.nn.Conv2d(3, width, 8, 8)}),
        "blocks": torch.nn.ModuleList(
            [Block(width, 2, qkv_bias=True, init_values=1.0, norm_layer=norm) for _ in range(2)]),
        "norm": norm(width),
    })
    with torch.no_grad():
        for parameter in parts.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return parts.eval()


images = torch.rand(2, 3, 16, 16)
out = {"images": images}

# DINOv2 with registers: class token and patches have positions, registers have none and come between them. Its blocks lie in
# chunks, for sharded training.
dino = network()
state = {}
for name, value in dino.state_dict().items():
    first, _, rest = name.partition(".")
    state[f"blocks.{rest[0]}.{rest}" if first == "blocks" else name] = value
state["cls_token"] = torch.randn(1, 1, width) * 0.1
state["register_tokens"] = torch.randn(1, registers, width) * 0.1
state["mask_token"] = torch.zeros(1, width)
state["pos_embed"] = torch.randn(1, 1 + side * side, width) * 0.1
x = dino["patch_embed"]["proj"](images).flatten(2).transpose(1, 2)
x = torch.cat([state["cls_token"].expand(2, -1, -1), x], 1) + state["pos_embed"]
x = torch.cat([x[:, :1], state["register_tokens"].expand(2, -1, -1), x[:, 1:]], 1)
for block in dino["blocks"]:
    x = block(x)
out["dinov2"] = dino["norm"](x)
save(state, "checkpoint_dinov2_chunked.safetensors")


# Scale-MAE: get_2d_sincos_pos_embed_with_resolution of its util/pos_embed.py, on its torch tensors: positions times the
# resolution, the grid as meshgrid(w, h, indexing="xy"), half of the width for w and half for h.
def one_axis(channels, positions):
    omega = torch.arange(channels // 2, dtype=torch.float64) / (channels / 2.0)
    product = torch.einsum("m,d->md", positions.reshape(-1), 1.0 / 10000**omega)
    return torch.cat([torch.sin(product), torch.cos(product)], 1)


def positions(resolution):
    axis = torch.arange(side, dtype=torch.float64)
    grid = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), 0) * resolution
    return torch.cat([one_axis(width // 2, grid[0]), one_axis(width // 2, grid[1])], 1)


out["scale_mae_positions_2"] = positions(2.0).float()[None]
save(out, "checkpoints_own.safetensors")
