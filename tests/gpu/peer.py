"""PyTorch's side of `benchmark.ipynb`, which starts it: the same steps on the same card, in the same run.

`python peer.py SIZES`, SIZES being the notebook's JSON, prints a JSON object: the version of torch, and the seconds of each case,
the fastest of all rounds. Beside it are `albef_torch.py` and `tide_torch.py`, whose models these are, and `rounds.py` (in the
repository: tests/bench). f32 is f32: no TF32, as in candle. bf16 is autocast with parameters in f32.
"""

import json
import pathlib
import sys
import time

here = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(here), str(here.parent / "bench")]

import torch
import torch.nn.functional as F

from albef_torch import Albef, Vit, BATCH, IMAGE, LENGTH, VOCABULARY
from tide_torch import LOOKBACK, Tide

sizes = json.loads(sys.argv[1])
on_gpu = torch.cuda.is_available()
# Products of matrices are in f32 by default, convolutions are not.
torch.backends.cudnn.allow_tf32 = False
kind = "cuda" if on_gpu else "cpu"
torch.set_default_device(kind)
torch.manual_seed(0)


def fastest(step):
    times = []
    for _ in range(sizes["rounds"] + 1):
        start = time.perf_counter()
        step()
        if on_gpu:
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return min(times[1:])


def matmul(dtype):
    n = sizes["matmul"]
    a, b = torch.randn(n, n, dtype=dtype), torch.randn(n, n, dtype=dtype)
    return lambda: a @ b


def copy():
    a = torch.randn(sizes["copy"])
    return lambda: a.clone()


def vit(dtype):
    model = Vit(sizes["image"], 16, sizes["width"], sizes["depth"], sizes["heads"])
    images = torch.randn(sizes["batch"], 3, sizes["image"], sizes["image"])
    optimizer = torch.optim.AdamW(model.parameters(), 1e-4, fused=True)

    def step():
        optimizer.zero_grad()
        with torch.autocast(kind, dtype=dtype, enabled=dtype != torch.float32):
            loss = model(images)[:, 0].float().square().mean()
        loss.backward()
        optimizer.step()

    return step


def albef():
    model = Albef()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], 1e-4, weight_decay=0.02, fused=True)
    image, ids = torch.randn(BATCH, 3, IMAGE, IMAGE), torch.randint(4, VOCABULARY, (BATCH, LENGTH))

    def step():
        optimizer.zero_grad()
        model(image, ids).backward()
        optimizer.step()

    return step


def tide():
    horizon = sizes["horizon"]
    model = Tide(horizon, 0)
    past, future = torch.randn(512, LOOKBACK), torch.randn(512, horizon)
    optimizer = torch.optim.Adam(model.parameters(), 1e-4, fused=True)

    def step():
        optimizer.zero_grad()
        F.mse_loss(model(past), future).backward()
        optimizer.step()

    return step


def box(x, radius):
    """Means over windows that are cut at the border, by cumulative sums in f64."""
    for dim in (-2, -1):
        n = x.shape[dim]
        sums = F.pad(x.double().cumsum(dim).movedim(dim, -1), (1, 0))
        at = torch.arange(n)
        high, low = (at + radius + 1).clamp(max=n), (at - radius).clamp(min=0)
        x = ((sums[..., high] - sums[..., low]) / (high - low)).movedim(-1, dim).float()
    return x


def dark_channel_prior():
    height, width = sizes["picture"]
    image = torch.rand(1, 3, height, width) * 0.5 + 0.3
    least = lambda x: -F.max_pool2d(-x.amin(1, keepdim=True), 15, 1, 7)

    def step():
        dark = least(image).flatten()
        candidates = dark.topk(dark.numel() // 1000).indices
        colors = image.flatten(2)[0][:, candidates]
        airlight = colors[:, colors.sum(0).argmax()].view(1, 3, 1, 1)
        t = 1 - 0.95 * least(image / airlight)
        guide = (image * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True)
        mean_i, mean_p, mean_ip, mean_ii = box(torch.cat([guide, t, guide * t, guide * guide], 1), 60).split(1, 1)
        a = (mean_ip - mean_i * mean_p) / ((mean_ii - mean_i * mean_i).clamp(min=0) + 1e-4)
        mean_a, mean_b = box(torch.cat([a, mean_p - a * mean_i], 1), 60).split(1, 1)
        return ((image - airlight) / (mean_a * guide + mean_b).clamp(min=0.1) + airlight).clamp(0, 1)

    return step


cases = {
    "matmul f32": lambda: matmul(torch.float32),
    "matmul bf16": lambda: matmul(torch.bfloat16),
    "copy": copy,
    "ViT step f32": lambda: vit(torch.float32),
    "ViT step bf16": lambda: vit(torch.bfloat16),
    "ALBEF step": albef,
    "TiDE step": tide,
    "dark channel prior": dark_channel_prior,
}
found = {"torch": torch.__version__}
for name, make in cases.items():
    found[name] = fastest(make())
print(json.dumps(found))
