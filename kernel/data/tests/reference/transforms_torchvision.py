"""Writes transforms.safetensors: what torchvision's transforms make of small images.

    python transforms_torchvision.py        # with torch, torchvision, pillow and safetensors; written with torchvision 0.29

Bytes are resized by Pillow's code (`resize/...`), as torchvision does with PIL images; everything else is of tensors.
"""

import pathlib

import numpy as np
import PIL.Image
import torch
import torchvision.transforms.v2 as v2
import torchvision.transforms.v2.functional as F
from safetensors.torch import save_file

torch.manual_seed(0)
height, width = 23, 31
y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
smooth = torch.stack([128 + 100 * torch.sin(x / 4 + c) * torch.cos(y / 5 - c) for c in range(3)])
image = (smooth + 25 * torch.randn(3, height, width)).clamp(0, 255).to(torch.uint8)
floats = (image.float() / 255 + 0.001 * torch.rand(3, height, width)).clamp(0, 1)
mask = ((x * 3 + y * 5) // 17 % 7).to(torch.uint8)[None]
out = {"image": image, "floats": floats, "mask": mask}

pil = PIL.Image.fromarray(image.permute(1, 2, 0).numpy())
modes = {"bilinear": F.InterpolationMode.BILINEAR, "bicubic": F.InterpolationMode.BICUBIC}
for name, mode in modes.items():
    for size in [(11, 16), (46, 40), (7, 50), (23, 9)]:
        key = f"resize/{name}/{size[0]}x{size[1]}"
        small = F.resize(pil, list(size), mode, antialias=True)
        out[f"{key}/bytes"] = torch.from_numpy(np.array(small)).permute(2, 0, 1)
        out[f"{key}/floats"] = F.resize(floats, list(size), mode, antialias=True)
out["resize/shorter_12"] = torch.from_numpy(np.array(F.resize(pil, [12]))).permute(2, 0, 1)
out["resize/mask_40x13"] = F.resize(mask, [40, 13], F.InterpolationMode.NEAREST)
for side in [(10, 10), (9, 30), (40, 20), (23, 31), (30, 44)]:
    out[f"center_crop/{side[0]}x{side[1]}"] = F.center_crop(image, list(side))
out["hflip"] = F.horizontal_flip(image)
out["vflip"] = F.vertical_flip(image)
for degrees in [0.0, 30.0, -77.5, 90.0, 180.0]:
    out[f"rotate/nearest/{degrees}"] = F.rotate(image, degrees, F.InterpolationMode.NEAREST, fill=51.0)
    out[f"rotate/bilinear/{degrees}"] = F.rotate(floats, degrees, F.InterpolationMode.BILINEAR, fill=0.25)
for factor in [0.0, 0.4, 1.0, 1.7]:
    for kind, source in [("bytes", image), ("floats", floats)]:
        out[f"brightness/{factor}/{kind}"] = F.adjust_brightness(source, factor)
        out[f"contrast/{factor}/{kind}"] = F.adjust_contrast(source, factor)
        out[f"saturation/{factor}/{kind}"] = F.adjust_saturation(source, factor)
for shift in [-0.5, -0.13, 0.0, 0.31]:
    out[f"hue/{shift}/bytes"] = F.adjust_hue(image, shift)
    out[f"hue/{shift}/floats"] = F.adjust_hue(floats, shift)
mean, deviation = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
out["normalize"] = F.normalize(image.float() / 255, mean, deviation)
save_file({k: v.contiguous().clone() for k, v in out.items()}, pathlib.Path(__file__).with_name("transforms.safetensors"))
