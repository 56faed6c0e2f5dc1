"""Writes ops.safetensors: inputs, results and gradients of every op of `patchbay::ops`, by PyTorch in float64.

Inputs are float32 numbers, so that the same file serves the tests in both precisions. The gradient is that of
sum(result * cotangent). Run: python ops_torch.py (needs torch and safetensors; written with torch 2.15).
"""

import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

torch.manual_seed(20260101)
torch.set_default_dtype(torch.float64)
tensors = {}


def rand(*shape, scale=1.0):
    return (torch.randn(*shape, dtype=torch.float32) * scale).double()


def case(name, f, *inputs, fixed=()):
    """`fixed` are the indices of float inputs that get no gradient."""
    inputs = [x.float().double() if x.is_floating_point() else x.clone() for x in inputs]
    leaves = []
    for index, x in enumerate(inputs):
        if x.is_floating_point():
            tensors[f"{name}.{index}"] = x.float()
            if index not in fixed:
                x.requires_grad_(True)
                leaves.append((index, x))
        else:
            tensors[f"{name}.{index}"] = x
    result = f(*inputs)
    cotangent = torch.randn(result.shape, dtype=torch.float32)
    (result * cotangent.double()).sum().backward()
    tensors[f"{name}.result"] = result.detach().contiguous()
    tensors[f"{name}.cotangent"] = cotangent.contiguous()
    for index, x in leaves:
        grad = x.grad if x.grad is not None else torch.zeros_like(x)
        tensors[f"{name}.grad.{index}"] = grad.contiguous()


wide = torch.cat([rand(37, scale=3), torch.tensor([0.0, 1e4, -1e4, 1e-3, -30.0, 88.0, -88.0])])
for name, f in {
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "relu": F.relu,
    "silu": F.silu,
    "sigmoid": torch.sigmoid,
}.items():
    case(f"{name}/wide", f, wide)
    case(f"{name}/image", f, rand(2, 3, 5, 7))
    case(f"{name}/one", f, rand(1))

for name, f in {"softmax": F.softmax, "log_softmax": F.log_softmax}.items():
    case(f"{name}/last", lambda x: f(x, dim=-1), rand(3, 5, 67))
    case(f"{name}/short", lambda x: f(x, dim=-1), rand(41, 9, scale=4))
    case(f"{name}/middle", lambda x: f(x, dim=1), rand(2, 7, 21))
    case(f"{name}/first", lambda x: f(x, dim=0), rand(5, 3))
    case(f"{name}/one", lambda x: f(x, dim=-1), rand(4, 1))
    case(f"{name}/large", lambda x: f(x, dim=-1), rand(3, 64, scale=3000))

case("layer_norm/affine", lambda x, w, b: F.layer_norm(x, w.shape, w, b, 1e-5), rand(2, 5, 37), rand(37), rand(37))
case("layer_norm/plain", lambda x: F.layer_norm(x, (8,), eps=1e-6), rand(3, 8))
case("layer_norm/two", lambda x, w, b: F.layer_norm(x, w.shape, w, b, 1e-5), rand(4, 3, 6), rand(3, 6), rand(3, 6))
case("layer_norm/weight", lambda x, w: F.layer_norm(x, w.shape, w, None, 1e-5), rand(4, 192) + 3, rand(192))
case("rms_norm/weight", lambda x, w: F.rms_norm(x, w.shape, w, 1e-6), rand(2, 5, 37), rand(37))
case("rms_norm/plain", lambda x: F.rms_norm(x, (8,), eps=1e-5), rand(3, 8))
tiny = rand(4, 6)
tiny[1] = 0
case("l2_normalise/last", lambda x: F.normalize(x, dim=-1), rand(5, 33))
case("l2_normalise/zero", lambda x: F.normalize(x, dim=-1, eps=1e-3), tiny)
case("l2_normalise/first", lambda x: F.normalize(x, dim=0), rand(5, 7))

labels = torch.randint(0, 9, (19,))
ignored = labels.clone()
ignored[::3] = -100
weight = rand(9).abs() + 0.1
soft = F.softmax(rand(19, 9), dim=1).float().double()
case("cross_entropy/plain", F.cross_entropy, rand(19, 9), labels)
case("cross_entropy/ignored", F.cross_entropy, rand(19, 9), ignored)
case("cross_entropy/ignore_3", lambda x, y: F.cross_entropy(x, y, ignore_index=3), rand(19, 9), labels)
case(
    "cross_entropy/weight",
    lambda x, y, w: F.cross_entropy(x, y, weight=w, label_smoothing=0.1),
    rand(19, 9), ignored, weight, fixed=(2,),
)
case("cross_entropy/sum", lambda x, y: F.cross_entropy(x, y, reduction="sum", label_smoothing=0.2), rand(19, 9), labels)
case("cross_entropy/none", lambda x, y: F.cross_entropy(x, y, reduction="none"), rand(19, 9), ignored)
case("cross_entropy/large", F.cross_entropy, rand(19, 9, scale=10000), labels)
case("cross_entropy/vocabulary", F.cross_entropy, rand(5, 131), torch.randint(0, 131, (5,)))
case(
    "cross_entropy/vocabulary_weight",
    lambda x, y, w: F.cross_entropy(x, y, weight=w, label_smoothing=0.1),
    rand(5, 131), torch.randint(0, 131, (5,)), rand(131).abs(), fixed=(2,),
)
case("cross_entropy/single", F.cross_entropy, rand(7), torch.tensor(4))
pixels = torch.randint(0, 5, (2, 6, 7))
pixels[0, :2] = 255
case("cross_entropy/pixels", lambda x, y: F.cross_entropy(x, y, ignore_index=255), rand(2, 5, 6, 7), pixels)
case("cross_entropy/pixels_none", lambda x, y: F.cross_entropy(x, y, reduction="none", ignore_index=255), rand(2, 5, 6, 7), pixels)
case("cross_entropy/soft", F.cross_entropy, rand(19, 9), soft)
case(
    "cross_entropy/soft_weight",
    lambda x, y, w: F.cross_entropy(x, y, weight=w, label_smoothing=0.1, reduction="sum"),
    rand(19, 9), soft, weight, fixed=(2,),
)
case("cross_entropy/soft_pixels", lambda x, y: F.cross_entropy(x, y, reduction="none"), rand(2, 4, 3, 5), F.softmax(rand(2, 4, 3, 5), 1).float().double())

chance = torch.rand(4, 11, dtype=torch.float32).double()
bce = F.binary_cross_entropy_with_logits
case("binary_cross_entropy_with_logits/plain", bce, rand(4, 11, scale=3), chance)
hard = (chance > 0.5).double()
extreme = rand(4, 11)
extreme[0] = 1e4
extreme[1] = -1e4
case("binary_cross_entropy_with_logits/large", lambda x, y: bce(x, y, reduction="none"), extreme, hard)
case(
    "binary_cross_entropy_with_logits/weights",
    lambda x, y, w, p: bce(x, y, weight=w, pos_weight=p, reduction="sum"),
    rand(4, 11), chance, rand(4, 1).abs(), rand(11).abs(), fixed=(2, 3),
)

case("matmul/plain", torch.matmul, rand(5, 7), rand(7, 3))
case("matmul/batch", torch.matmul, rand(2, 3, 5, 7), rand(2, 3, 7, 4))
case("matmul/broadcast", torch.matmul, rand(2, 1, 5, 7), rand(3, 7, 4))
case("matmul/rows", torch.matmul, rand(2, 5, 7), rand(7, 3))
case("matmul/ones", torch.matmul, rand(1, 1), rand(1, 1))
case("linear/bias", F.linear, rand(2, 5, 7), rand(3, 7), rand(3))
case("linear/plain", F.linear, rand(5, 7), rand(3, 7))
case("linear/vector", F.linear, rand(7), rand(3, 7), rand(3))
case("linear_gelu/plain", lambda x, w, b: F.gelu(F.linear(x, w, b)), rand(2, 5, 7), rand(3, 7), rand(3))

sdpa = F.scaled_dot_product_attention
case("attention/plain", sdpa, rand(2, 3, 5, 8), rand(2, 3, 7, 8), rand(2, 3, 7, 6))
case("attention/one", sdpa, rand(1, 1, 1, 4), rand(1, 1, 1, 4), rand(1, 1, 1, 4))
case("attention/causal", lambda q, k, v: sdpa(q, k, v, is_causal=True), rand(2, 2, 9, 4), rand(2, 2, 9, 4), rand(2, 2, 9, 4))
case("attention/scale", lambda q, k, v: sdpa(q, k, v, scale=0.3), rand(1, 2, 6, 4), rand(1, 2, 6, 4), rand(1, 2, 6, 4))
visible = torch.rand(2, 1, 5, 7) > 0.4
visible[..., 0] = True
case(
    "attention/visible",
    lambda q, k, v, m: sdpa(q, k, v, attn_mask=m.bool()),
    rand(2, 3, 5, 8), rand(2, 3, 7, 8), rand(2, 3, 7, 8), visible.to(torch.uint8),
)
case(
    "attention/added",
    lambda q, k, v, m: sdpa(q, k, v, attn_mask=m),
    rand(2, 3, 5, 8), rand(2, 3, 7, 8), rand(2, 3, 7, 8), rand(5, 7), fixed=(3,),
)
case(
    "attention/learned",
    lambda q, k, v, m: sdpa(q, k, v, attn_mask=m),
    rand(2, 3, 5, 8), rand(2, 3, 7, 8), rand(2, 3, 7, 8), rand(3, 5, 7),
)


def packed(qkv, heads):
    b, n, w = qkv.shape
    q, k, v = qkv.reshape(b, n, 3, heads, w // (3 * heads)).permute(2, 0, 3, 1, 4)
    return sdpa(q, k, v).transpose(1, 2).reshape(b, n, w // 3)


case("self_attention/plain", lambda x: packed(x, 3), rand(2, 5, 3 * 3 * 4))
case("self_attention/long", lambda x: packed(x, 2), rand(1, 40, 3 * 2 * 4))

mask = (torch.rand(3, 1, 5) > 0.5).to(torch.uint8)
case("masked_fill/plain", lambda x, m: x.masked_fill(m.bool(), -2.5), rand(3, 4, 5), mask)
case("gather/last", lambda x, i: x.gather(2, i), rand(3, 4, 5), torch.randint(0, 5, (3, 2, 7)))
case("gather/first", lambda x, i: x.gather(0, i), rand(3, 4), torch.randint(0, 3, (6, 4)))
distinct = torch.stack([torch.randperm(5)[:3] for _ in range(8)]).reshape(2, 4, 3)
case("scatter/last", lambda x, i, s: x.scatter(2, i, s), rand(3, 4, 5), distinct, rand(2, 4, 3))
case("scatter_add/last", lambda x, i, s: x.scatter_add(2, i, s), rand(3, 4, 5), torch.randint(0, 5, (2, 4, 6)), rand(2, 4, 6))
case("scatter_add/first", lambda x, i, s: x.scatter_add(0, i, s), rand(3, 4), torch.randint(0, 3, (5, 2)), rand(5, 2))
ids = torch.randint(0, 11, (3, 5))
case("embedding/plain", lambda w, i: F.embedding(i, w), rand(11, 6), ids)
case("embedding/padding", lambda w, i: F.embedding(i, w, padding_idx=2), rand(11, 6), ids.clone().fill_(2))

case("max_pool2d/plain", lambda x: F.max_pool2d(x, (2, 2), (2, 2)), rand(2, 3, 6, 8))
case("max_pool2d/strided", lambda x: F.max_pool2d(x, (3, 2), (2, 1), (1, 1)), rand(2, 3, 7, 5))
case("avg_pool2d/plain", lambda x: F.avg_pool2d(x, (2, 3), (2, 1)), rand(2, 3, 6, 8))
case("avg_pool2d/padded", lambda x: F.avg_pool2d(x, (3, 3), (2, 2), (1, 1)), rand(2, 3, 7, 5))
case("adaptive_avg_pool2d/plain", lambda x: F.adaptive_avg_pool2d(x, (3, 2)), rand(2, 3, 7, 5))
case("adaptive_avg_pool2d/one", lambda x: F.adaptive_avg_pool2d(x, (1, 1)), rand(2, 3, 7, 5))
for how in ("nearest", "bilinear", "bicubic"):
    more = {} if how == "nearest" else {"align_corners": False}
    case(f"interpolate/{how}_up", lambda x: F.interpolate(x, (9, 11), mode=how, **more), rand(2, 2, 4, 5))
    case(f"interpolate/{how}_down", lambda x: F.interpolate(x, (3, 4), mode=how, **more), rand(1, 2, 8, 7))
    case(f"interpolate/{how}_one", lambda x: F.interpolate(x, (3, 3), mode=how, **more), rand(1, 1, 1, 1))

case("conv2d/plain", F.conv2d, rand(2, 3, 7, 8), rand(4, 3, 3, 3), rand(4))
case("conv2d/strided", lambda x, w, b: F.conv2d(x, w, b, (2, 3), (1, 2), (2, 1)), rand(2, 4, 9, 8), rand(6, 4, 3, 2), rand(6))
case("conv2d/groups", lambda x, w: F.conv2d(x, w, None, 1, 1, 1, 2), rand(3, 4, 5, 5), rand(6, 2, 3, 3))
case("conv2d/pointwise", lambda x, w, b: F.conv2d(x, w, b), rand(2, 4, 5, 5), rand(3, 4, 1, 1), rand(3))
case("conv2d/patches", lambda x, w, b: F.conv2d(x, w, b, 4), rand(2, 3, 8, 12), rand(5, 3, 4, 4), rand(5))

path = pathlib.Path(__file__).with_name("ops.safetensors")
costs = torch.cat([rand(31, scale=2).abs(), torch.tensor([1e-3, 30.0, 1e4])])
for name, gamma in {"half": 0.5, "one": 1.0, "two": 2.0, "more": 3.5}.items():
    case(f"focal/{name}", lambda c: (1 - torch.exp(-c)) ** gamma * c, costs)

# Enough columns side by side for tiles, the last one smaller.
many = torch.randint(0, 3, (1, 530))
many[:, ::7] = -100
case("cross_entropy/wide", F.cross_entropy, rand(1, 3, 530), many)
case(
    "cross_entropy/wide_weight",
    lambda x, y, w: F.cross_entropy(x, y, weight=w, label_smoothing=0.1),
    rand(1, 3, 530, scale=3), many, rand(3).abs(), fixed=(2,),
)
case("softmax/wide", lambda x: F.softmax(x, dim=1), rand(1, 3, 530))
case("log_softmax/wide", lambda x: F.log_softmax(x, dim=1), rand(1, 3, 530))

case("gelu_linear/plain", lambda x, w, b: F.linear(F.gelu(x), w, b), rand(2, 5, 7, scale=2), rand(3, 7), rand(3))

for name, shape in {"image": (2, 3, 7, 9), "narrow": (1, 2, 3, 11), "plane": (1, 1, 6, 5)}.items():
    case(f"box_filter/{name}", lambda x: F.avg_pool2d(x, 5, 1, 2, count_include_pad=False), rand(*shape))

mlp = lambda x, w, b, v, c, s, d: F.linear(F.relu(F.linear(x, w, b)), v, c) + F.linear(x, s, d)
for name, (rows, inputs, hidden, outputs) in {"plain": ((2, 5), 7, 21, 3), "one": ((9,), 4, 6, 1)}.items():
    x, weight, bias = torch.zeros(*rows, inputs), torch.zeros(hidden, inputs), torch.zeros(hidden)
    # Where relu bends, inputs that are rounded to half precision have another gradient.
    while F.linear(x, weight, bias).abs().min() < 0.02:
        x, weight, bias = rand(*rows, inputs), rand(hidden, inputs), rand(hidden)
    case(
        f"residual_mlp/{name}", mlp, x, weight, bias,
        rand(outputs, hidden), rand(outputs), rand(outputs, inputs), rand(outputs),
    )

for name, f in {"sum": torch.sum, "mean": torch.mean, "var": torch.var}.items():
    case(f"{name}_all/image", lambda x: f(x), rand(2, 3, 5, 7) + 0.5)
    case(f"{name}/last", lambda x: f(x, dim=-1), rand(3, 4, 67))
    case(f"{name}/middle", lambda x: f(x, dim=1), rand(2, 37, 5))
    case(f"{name}/several", lambda x: f(x, dim=(0, 2)), rand(4, 3, 5, 6))
    case(f"{name}_keepdim/first", lambda x: f(x, dim=0, keepdim=True), rand(23, 4))
case("var_with/biased", lambda x: torch.var(x, dim=(1, 2), correction=0), rand(3, 8, 5))

for name, f in {
    "broadcast_add": torch.add, "broadcast_sub": torch.sub, "broadcast_mul": torch.mul, "broadcast_div": torch.div,
}.items():
    away = lambda *shape: rand(*shape).abs() + 0.5
    case(f"{name}/bias", f, rand(4, 3, 5), away(5))
    case(f"{name}/both", f, rand(3, 1, 5), away(2, 1, 4, 1))
    case(f"{name}/scalar", f, rand(6, 3), away(1))
picked = torch.tensor([2, 0, 2, 1, 2])
case("index_select/first", lambda x, i: torch.index_select(x, 0, i), rand(3, 4, 2), picked)
case("index_select/middle", lambda x, i: torch.index_select(x, 1, i), rand(2, 3, 5), picked)
case("broadcast_as/token", lambda x: x.expand(4, 3, 5), rand(1, 3, 1))

save_file(tensors, path)
print(f"{path.name}: {len(tensors)} tensors, {path.stat().st_size / 1024:.0f} KiB")
