"""Writes nn_layers.safetensors: what `nn` has besides the layers of nn_torch.py, by PyTorch, for `nn_layers.rs`.

For each case, as there: state, inputs, result, gradients of sum(result * cotangent), in float64. The names of convolutions have
their settings: k kernel, s stride, p padding, o output padding, d dilation, g groups. `spread/...` are the largest absolute value
and the standard deviation of what PyTorch initializes large layers with.
Run: python nn_layers_torch.py (needs torch and safetensors; written with torch 2.15).
"""

import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

torch.manual_seed(20261130)
torch.set_default_dtype(torch.float64)
tensors = {}


def case(name, run, *inputs, module=None):
    inputs = [x.requires_grad_(True) if x.is_floating_point() else x for x in inputs]
    if module is not None:
        module.zero_grad()
        for key, value in module.state_dict().items():
            if value.is_floating_point():
                tensors[f"{name}/state/{key}"] = value.clone()
    result = run(*inputs)
    cotangent = torch.randn_like(result)
    (result * cotangent).sum().backward()
    if module is not None:
        for key, value in module.named_parameters():
            tensors[f"{name}/grad/{key}"] = value.grad
    for index, x in enumerate(inputs):
        tensors[f"{name}/input/{index}"] = x.detach()
        if x.is_floating_point():
            tensors[f"{name}/input_grad/{index}"] = x.grad
    tensors[f"{name}/result"], tensors[f"{name}/cotangent"] = result.detach(), cotangent


def rough(module):
    for parameter in module.parameters():
        nn.init.normal_(parameter)
    return module


# The first is the kernel of the issue, on a small rectangle of the same rests.
for k, s, p, d, g, shape in (
    (3, 2, 1, 1, 1, (7, 10)), (3, 2, 1, 1, 1, (10, 7)), (3, 2, 1, 1, 2, (8, 9)), (3, 2, 0, 1, 1, (9, 8)),
    (1, 2, 0, 1, 1, (5, 8)), (2, 2, 0, 1, 1, (7, 6)), (2, 3, 1, 1, 4, (11, 6)), (4, 4, 0, 1, 1, (9, 14)),
    (5, 3, 2, 1, 1, (6, 13)), (3, 1, 1, 1, 1, (4, 7)), (3, 1, 2, 2, 1, (7, 5)), (3, 2, 2, 2, 2, (11, 8)),
    (3, 3, 1, 3, 1, (12, 9)), (1, 1, 0, 1, 1, (3, 5)), (7, 2, 3, 1, 1, (8, 13)), (3, 4, 1, 1, 1, (10, 15)),
):
    layer = rough(nn.Conv2d(4, 4, k, s, p, d, g))
    case(f"conv2d k{k} s{s} p{p} d{d} g{g} {shape[0]}x{shape[1]}", layer, torch.randn(2, 4, *shape), module=layer)
for k, s, p, d, g, length in (
    (3, 1, 1, 1, 1, 9), (3, 2, 1, 1, 1, 10), (3, 2, 1, 1, 1, 9), (5, 3, 2, 1, 2, 17), (2, 2, 0, 3, 1, 12), (1, 1, 0, 1, 4, 6), (4, 4, 0, 1, 1, 14),
):
    layer = rough(nn.Conv1d(4, 8, k, s, p, d, g))
    case(f"conv1d k{k} s{s} p{p} d{d} g{g} {length}", layer, torch.randn(2, 4, length), module=layer)
for k, s, p, o, d, shape in (
    (3, 2, 1, 1, 1, (4, 7)), (3, 2, 1, 0, 1, (5, 3)), (4, 2, 1, 0, 1, (3, 6)), (2, 2, 0, 0, 1, (5, 4)), (3, 1, 1, 0, 1, (4, 6)),
    (3, 3, 2, 2, 2, (3, 5)), (1, 2, 0, 1, 1, (3, 4)), (3, 1, 3, 0, 2, (6, 4)), (1, 1, 1, 0, 1, (5, 7)), (3, 1, 0, 1, 2, (4, 5)),
):
    layer = rough(nn.ConvTranspose2d(4, 3, k, s, p, o, 1, True, d))
    case(f"conv_transpose2d k{k} s{s} p{p} o{o} d{d} {shape[0]}x{shape[1]}", layer, torch.randn(2, 4, *shape), module=layer)
for k, s, p, o, d, g, length in (
    (3, 2, 1, 1, 1, 1, 7), (3, 2, 1, 0, 1, 2, 6), (4, 2, 1, 0, 1, 1, 5), (3, 1, 1, 0, 1, 1, 6), (3, 3, 2, 2, 2, 2, 5), (1, 2, 0, 1, 1, 4, 4),
):
    layer = rough(nn.ConvTranspose1d(4, 8, k, s, p, o, g, True, d))
    case(f"conv_transpose1d k{k} s{s} p{p} o{o} d{d} g{g} {length}", layer, torch.randn(2, 4, length), module=layer)
# Directions that differ, and groups of images: ops have them, layers of candle's settings do not.
weight = lambda *shape: torch.randn(*shape)
case(
    "op conv_transpose2d", lambda x, w, b: F.conv_transpose2d(x, w, b, (2, 3), (1, 2), (1, 2), 2, (3, 1)),
    torch.randn(2, 4, 5, 4), weight(4, 3, 2, 3), torch.randn(6),
)
case(
    "op conv2d", lambda x, w, b: F.conv2d(x, w, b, (3, 2), (1, 2), (2, 1), 2), torch.randn(2, 4, 11, 8), weight(6, 2, 3, 2), torch.randn(6),
)

for name, shape in (("2", (6, 4)), ("3", (3, 4, 5)), ("4", (3, 4, 2, 3))):
    norm = rough(nn.BatchNorm1d(4) if len(shape) < 4 else nn.BatchNorm2d(4))
    nn.init.normal_(norm.running_mean), nn.init.uniform_(norm.running_var, 0.5, 2.0)
    for mode in ("train", "eval"):
        norm.train(mode == "train")
        case(f"batch_norm {mode} {name}", norm, torch.randn(*shape) * 2 + 1, module=norm)
        tensors[f"batch_norm {mode} {name}/after/mean"] = norm.running_mean.clone()
        tensors[f"batch_norm {mode} {name}/after/var"] = norm.running_var.clone()
for groups, shape in ((2, (3, 4, 5)), (4, (2, 4, 3, 2)), (1, (2, 4, 3, 5))):
    norm = rough(nn.GroupNorm(groups, 4))
    case(f"group_norm g{groups} {len(shape)}", norm, torch.randn(*shape) * 2 + 1, module=norm)

# PyTorch's own has a sixth in float32 in its backward pass.
hard_sigmoid = lambda x: F.relu6(x + 3) / 6
kinks = torch.tensor([-700.0, -100.0, -20.0, -6.0, -3.0, -1.0, -0.0, 0.0, 1e-9, 1.0, 3.0, 6.0, 20.0, 100.0, 700.0])
points = lambda: torch.cat([torch.randn(9) * 3, kinks]).reshape(4, 6)
for name, run in {
    "gelu": F.gelu, "gelu_new": lambda x: F.gelu(x, approximate="tanh"), "relu": F.relu, "relu2": lambda x: F.relu(x).square(),
    "relu6": F.relu6, "silu": F.silu, "sigmoid": torch.sigmoid, "hardsigmoid": hard_sigmoid, "mish": F.mish, "hardswish": lambda x: x * hard_sigmoid(x),
    "elu": lambda x: F.elu(x, 1.3), "leakyrelu": lambda x: F.leaky_relu(x, 0.2), "selu": lambda x: F.elu(x, float(torch.tensor(1.6732632, dtype=torch.float32))) * float(torch.tensor(1.050701, dtype=torch.float32)),
    "swiglu": lambda x: F.silu(x[:, :3]) * x[:, 3:],
}.items():
    case(f"activation {name}", run, points())
for name, layer, x in (
    ("one", nn.PReLU(), points()), ("channels", nn.PReLU(3), torch.cat([torch.randn(2, 3, 4), torch.zeros(2, 3, 1)], 2)),
):
    nn.init.normal_(layer.weight)
    case(f"prelu {name}", layer, x, module=layer)
for dim in (0, 1, 2):
    case(f"softmax {dim}", lambda x: F.softmax(x, dim), torch.randn(3, 4, 5) * 3)
    case(f"log_softmax {dim}", lambda x: F.log_softmax(x, dim), torch.randn(3, 4, 5) * 3)
case("layer_norm_slow", lambda x, w, b: F.layer_norm(x, (6,), w, b, 1e-5), torch.randn(3, 6), torch.randn(6), torch.randn(6))
case("rms_norm_slow", lambda x, w: F.rms_norm(x, (6,), w, 1e-5), torch.randn(3, 6), torch.randn(6))
case("pixel_shuffle", lambda x: F.pixel_shuffle(x, 2), torch.randn(2, 8, 3, 4))
case("pixel_unshuffle", lambda x: F.pixel_unshuffle(x, 2), torch.randn(2, 2, 6, 4))
case("replication_pad2d", lambda x: F.pad(x, (1, 1, 1, 1), mode="replicate"), torch.randn(2, 3, 4, 5))

lstm = rough(nn.LSTM(3, 5, batch_first=True, bidirectional=True))
case("lstm", lambda x: lstm(x)[0], torch.randn(2, 6, 3), module=lstm)
plain = rough(nn.LSTM(3, 5, bias=False, batch_first=True))
case("lstm no bias", lambda x: plain(x)[0], torch.randn(2, 4, 3), module=plain)
gru = rough(nn.GRU(3, 5, batch_first=True))
case("gru", lambda x: gru(x)[0], torch.randn(2, 6, 3), module=gru)

angle = torch.outer(torch.arange(7.0), 100.0 ** -(torch.arange(3.0) / 3))


def rope(x, cos, sin):
    first, second = x[..., :3], x[..., 3:]
    cos, sin = cos[:5], sin[:5]
    return torch.cat([first * cos - second * sin, first * sin + second * cos], -1)


def rope_i(x, cos, sin):
    turned = torch.view_as_complex(x.reshape(*x.shape[:-1], 3, 2)) * torch.complex(cos[:5], sin[:5])
    return torch.view_as_real(turned).reshape(x.shape)


case("rope", rope, torch.randn(2, 3, 5, 6), angle.cos(), angle.sin())
case("rope_i", rope_i, torch.randn(2, 3, 5, 6), angle.cos(), angle.sin())
case(
    "rope_thd", lambda x, cos, sin: rope(x.transpose(1, 2), cos, sin).transpose(1, 2), torch.randn(2, 5, 3, 6), angle.cos(), angle.sin(),
)
case(
    "sdpa", lambda q, k, v: F.scaled_dot_product_attention(q, k, v, scale=0.5, enable_gqa=True),
    torch.randn(2, 4, 5, 6), torch.randn(2, 2, 3, 6), torch.randn(2, 2, 3, 4),
)
case(
    "sdpa causal", lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=0.5),
    torch.randn(2, 2, 5, 6), torch.randn(2, 2, 5, 6), torch.randn(2, 2, 5, 6),
)
case(
    "sdpa mask", lambda q, k, v, m: F.softmax(torch.tanh(q @ k.transpose(2, 3) * 0.5 / 2) * 2 + m, -1) @ v,
    torch.randn(2, 2, 5, 6), torch.randn(2, 2, 3, 6), torch.randn(2, 2, 3, 4), torch.randn(5, 3),
)

labels = torch.tensor([2, 0, 3])
case("loss mse", F.mse_loss, torch.randn(3, 4), torch.randn(3, 4))
case("loss huber", lambda x, y: F.huber_loss(x, y, delta=0.7), torch.randn(3, 4), torch.randn(3, 4))
case("loss nll", lambda x: F.nll_loss(x, labels), torch.randn(3, 4))
case("loss cross_entropy", lambda x: F.cross_entropy(x, labels), torch.randn(3, 4))
case("loss binary_cross_entropy_with_logit", F.binary_cross_entropy_with_logits, torch.randn(3, 4) * 40, torch.rand(3, 4))

for name, layer in {
    "linear": nn.Linear(300, 400), "conv1d": nn.Conv1d(60, 300, 5), "conv2d": nn.Conv2d(64, 90, 3), "conv2d groups": nn.Conv2d(64, 96, 3, groups=4),
    "conv_transpose1d": nn.ConvTranspose1d(300, 60, 5), "conv_transpose1d groups": nn.ConvTranspose1d(300, 60, 5, groups=3),
    "conv_transpose2d": nn.ConvTranspose2d(90, 64, 3), "embedding": nn.Embedding(900, 60), "lstm": nn.LSTM(90, 120), "gru": nn.GRU(90, 120),
    "layer_norm": nn.LayerNorm(50), "group_norm": nn.GroupNorm(5, 50), "batch_norm": nn.BatchNorm2d(50), "prelu": nn.PReLU(20),
    "attention": nn.MultiheadAttention(120, 4), "transformer": nn.TransformerEncoderLayer(120, 4, 180),
}.items():
    for key, value in layer.named_parameters():
        tensors[f"spread/{name}/{key}"] = torch.stack([value.detach().abs().max(), value.detach().square().mean().sqrt()])

path = pathlib.Path(__file__).with_name("nn_layers.safetensors")
save_file({key: value.detach().clone().contiguous() for key, value in tensors.items()}, path)
print(f"{path.name}: {len(tensors)} tensors, {path.stat().st_size / 1024:.0f} KiB")
