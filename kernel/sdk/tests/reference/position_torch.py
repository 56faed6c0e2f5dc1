"""Position embeddings on other grids and images of another size, by PyTorch in float64: for tests/position.rs.

    python position_torch.py        # writes position.safetensors beside it (torch 2.15, timm 1.0.31)

timm's way is timm's own function; transformers' ViTModel and Dinov2Model, MAE and ALBEF call `interpolate(mode="bicubic",
align_corners=False)`; DINOv2's `interpolate_pos_encoding` gives it the scale factor (new side + 0.1) / old side.
posembed_small.safetensors beside it is of the same kind from another program, on white noise.
"""

import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from timm.layers import resample_abs_pos_embed

torch.manual_seed(90)
tensors = {}


def timm_way(table, prefix, old, new):
    # Its last step, to the dtype of the table, is nothing here; its first is `float()`, which is taken out.
    real, torch.Tensor.float = torch.Tensor.float, lambda self: self
    try:
        return resample_abs_pos_embed(table, list(new), list(old), num_prefix_tokens=prefix)
    finally:
        torch.Tensor.float = real


def plain(table, prefix, old, new, **more):
    grid = table[:, prefix:].reshape(1, *old, -1).permute(0, 3, 1, 2)
    more = more or {"size": new}
    grid = F.interpolate(grid, mode="bicubic", align_corners=False, **more)
    assert grid.shape[-2:] == new
    return torch.cat([table[:, :prefix], grid.permute(0, 2, 3, 1).flatten(1, 2)], 1)


def dinov2(table, prefix, old, new):
    return plain(table, prefix, old, new, scale_factor=tuple((n + 0.1) / o for n, o in zip(new, old)))


def case(name, f, x):
    x = x.float().double().requires_grad_()
    out = f(x)
    cotangent = torch.randn(out.shape).double()
    (out * cotangent).sum().backward()
    tensors[f"{name}/input"] = x.detach().float()
    tensors[f"{name}/out"] = out.detach().contiguous()
    tensors[f"{name}/cotangent"] = cotangent.float().contiguous()
    tensors[f"{name}/grad"] = x.grad.contiguous()


# Class token and four registers, class token alone, neither; shrinking, growing, both at once, rectangles, one patch.
for prefix, old, news in [(5, (6, 6), [(4, 4), (9, 9), (3, 11)]), (1, (3, 8), [(8, 3), (5, 5), (1, 1)]),
                          (0, (7, 7), [(14, 14), (2, 20)])]:
    table = torch.randn(1, prefix + old[0] * old[1], 3)
    for new in news:
        for way, f in {"timm": timm_way, "plain": plain, "dinov2": dinov2}.items():
            case(f"position/{prefix}/{old[0]}x{old[1]}/{new[0]}x{new[1]}/{way}",
                 lambda x: f(x, prefix, old, new), table)

for how in ["bilinear", "bicubic"]:
    for name, shape, size in [("up", (2, 2, 4, 5), (9, 11)), ("down", (1, 2, 17, 13), (3, 4)), ("both", (1, 1, 12, 5), (5, 12)),
                              ("one", (1, 1, 1, 1), (3, 3)), ("same", (1, 2, 4, 6), (4, 6))]:
        case(f"image/antialias/{how}/{name}", lambda x: F.interpolate(x, size, mode=how, antialias=True), torch.randn(shape))
for how in ["nearest", "bilinear", "bicubic"]:
    factor = (2.3, 0.7)
    more = {} if how == "nearest" else {"align_corners": False}
    case(f"image/factor/{how}", lambda x: F.interpolate(x, scale_factor=factor, mode=how, **more), torch.randn(1, 2, 6, 9))
tensors["image/factor"] = torch.tensor(factor, dtype=torch.float64)

save_file(tensors, pathlib.Path(__file__).with_name("position.safetensors"))
