"""Writes nn.safetensors: layers and optimizers by PyTorch, for `nn_parity.rs`.

For each layer: its state dict, its input, its result and the gradients of sum(result * cotangent). For each
optimizer: two parameters, their gradients at each of five steps, and the parameters afterwards. All in float64.
Run: python nn_torch.py (needs torch and safetensors; written with torch 2.15).
"""

import pathlib

import torch
from safetensors.torch import save_file
from torch import nn

torch.manual_seed(20260102)
torch.set_default_dtype(torch.float64)
tensors = {}


def layer(name, module, *inputs, run=None):
    module.train()
    module.zero_grad()
    inputs = [x.requires_grad_(True) if x.is_floating_point() else x for x in inputs]
    result = (run or module)(*inputs)
    cotangent = torch.randn_like(result)
    (result * cotangent).sum().backward()
    for key, value in module.state_dict().items():
        tensors[f"{name}/state/{key}"] = value
    for key, value in module.named_parameters():
        tensors[f"{name}/grad/{key}"] = value.grad
    for index, x in enumerate(inputs):
        tensors[f"{name}/input/{index}"] = x.detach()
        if x.is_floating_point():
            tensors[f"{name}/input_grad/{index}"] = x.grad
    tensors[f"{name}/result"], tensors[f"{name}/cotangent"] = result.detach(), cotangent


layer("linear", nn.Linear(5, 3), torch.randn(2, 4, 5))
norm = nn.LayerNorm(6)
nn.init.normal_(norm.weight), nn.init.normal_(norm.bias)
layer("layer_norm", norm, torch.randn(3, 6))
rms = nn.RMSNorm(6, eps=1e-6)
nn.init.normal_(rms.weight)
layer("rms_norm", rms, torch.randn(3, 6))
layer("embedding", nn.Embedding(7, 4), torch.randint(0, 7, (2, 3)))
patch = nn.Conv2d(3, 8, 4, 4)
layer("patch_embedding", patch, torch.randn(2, 3, 8, 12), run=lambda x: patch(x).flatten(2).transpose(1, 2))
attention = nn.MultiheadAttention(8, 2, batch_first=True)
nn.init.normal_(attention.in_proj_bias), nn.init.normal_(attention.out_proj.bias)
layer("attention", attention, torch.randn(2, 5, 8), run=lambda x: attention(x, x, x, need_weights=False)[0])
layer(
    "cross_attention", attention, torch.randn(2, 5, 8), torch.randn(2, 3, 8),
    run=lambda x, y: attention(x, y, y, need_weights=False)[0],
)
for name, first, active in (("pre_norm", True, "gelu"), ("post_norm", False, "relu")):
    block = nn.TransformerEncoderLayer(8, 2, 12, 0.0, active, 1e-6, batch_first=True, norm_first=first)
    layer(f"transformer_{name}", block, torch.randn(2, 5, 8))


def optimizer(name, make):
    parameters = [nn.Parameter(torch.randn(3, 4)), nn.Parameter(torch.randn(5))]
    for index, parameter in enumerate(parameters):
        tensors[f"{name}/before/{index}"] = parameter.detach().clone()
    chosen = make(parameters)
    for step in range(5):
        for index, parameter in enumerate(parameters):
            parameter.grad = torch.randn_like(parameter)
            tensors[f"{name}/grad/{step}.{index}"] = parameter.grad.clone()
        chosen.step()
    for index, parameter in enumerate(parameters):
        tensors[f"{name}/after/{index}"] = parameter.detach()


def groups(parameters):
    return [{"params": [parameters[0]], "weight_decay": 0.3}, {"params": [parameters[1]], "lr": 0.05, "weight_decay": 0.0}]


optimizer("adamw", lambda p: torch.optim.AdamW(p, 0.1, weight_decay=0.2))
optimizer("adamw_groups", lambda p: torch.optim.AdamW(groups(p), 0.1))
optimizer("adam", lambda p: torch.optim.Adam(p, 0.1, weight_decay=0.2))
optimizer("sgd", lambda p: torch.optim.SGD(p, 0.1))
optimizer("sgd_momentum", lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, weight_decay=0.2, dampening=0.3))
optimizer("sgd_nesterov", lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, nesterov=True))

parameters = [nn.Parameter(torch.zeros(3, 4)), nn.Parameter(torch.zeros(5))]
for index, parameter in enumerate(parameters):
    parameter.grad = torch.randn_like(parameter)
    tensors[f"clip/grad/{index}"] = parameter.grad.clone()
tensors["clip/norm"] = torch.nn.utils.clip_grad_norm_(parameters, 1.5)
for index, parameter in enumerate(parameters):
    tensors[f"clip/after/{index}"] = parameter.grad.clone()

block = nn.TransformerEncoderLayer(8, 2, 12, 0.0, batch_first=True)
layer("transformer_encoder", nn.TransformerEncoder(block, 2), torch.randn(2, 5, 8))
images = torch.arange(96).reshape(2, 2, 4, 6).double().mul(0.7).sin().mul(4).round()  # With ties.
layer("max_pool2d", nn.MaxPool2d(2), images.clone())
layer("avg_pool2d", nn.AvgPool2d(2), images.clone())
layer("adaptive_avg_pool2d", nn.AdaptiveAvgPool2d((3, 2)), images.clone())

path = pathlib.Path(__file__).with_name("nn.safetensors")
save_file({key: value.clone().contiguous() for key, value in tensors.items()}, path)
print(f"{path.name}: {len(tensors)} tensors, {path.stat().st_size / 1024:.0f} KiB")
