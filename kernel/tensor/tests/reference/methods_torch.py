"""Writes methods.safetensors: what PyTorch's tensors give for the methods of `TensorMethods`, for `torch_parity.rs`.

For each case `METHOD VARIANT` and input: the result, and the gradient of sum(result * (1 + i / 2)), i counting the result's values.
The inputs are without and with ties, of several sizes, and of large and small values; in float64, and two of them in float32.
Run: python methods_torch.py (needs torch and safetensors; written with torch 2.15).
"""

import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

count = lambda *shape: torch.arange(torch.Size(shape).numel(), dtype=torch.float64)
plain = lambda *shape: ((count(*shape) * 7 % 13) * 0.31 - 1.4).reshape(shape)
inputs = {
    "matrix": plain(3, 4),
    "cube": plain(2, 2, 3),
    "row": plain(1, 5),
    "ties": torch.tensor([[2, -1, 2, 0], [0, 0, 0, 0], [-1, 1, 1, -2.0]], dtype=torch.float64),
    "wide": torch.tensor([[80, -60.5, 1e-4], [-1e-7, 700, 3], [0.5, -0.25, 20]], dtype=torch.float64),
}

flat = lambda x: x.reshape(-1)
square = lambda x: flat(x)[:4].reshape(2, 2)
ends = lambda f: {"0": lambda x: f(x, 0), "-1": lambda x: f(x, -1), "1": lambda x: f(x, 1)}
cases = {
    "to": {"f64": lambda x: x.to(torch.float64)},
    "view": {"-1": lambda x: x.view(-1), "column": lambda x: x.view(-1, 1)},
    "view_as": {"": lambda x: x.view_as(flat(x))},
    "expand_as": {"": lambda x: x.unsqueeze(0).expand_as(torch.ones(2, *x.shape))},
    "ravel": {"": lambda x: x.ravel()},
    "squeeze_all": {"": lambda x: x.squeeze()},
    "swapaxes": {"0 -1": lambda x: x.swapaxes(0, -1)},
    "movedim": {"0 -1": lambda x: x.movedim(0, -1), "-1 0": lambda x: x.movedim(-1, 0)},
    "select": {"-1 -1": lambda x: x.select(-1, -1), "0 0": lambda x: x.select(0, 0)},
    "split": {"2 -1": lambda x: x.split(2, -1)[-1], "1 0": lambda x: x.split(1, 0)[0]},
    "unbind": ends(lambda x, dim: x.unbind(dim)[0]),
    "repeat_interleave": ends(lambda x, dim: x.repeat_interleave(3, dim)),
    "mm": {"": lambda x: square(x).mm(square(x))},
    "bmm": {"": lambda x: square(x).unsqueeze(0).bmm(square(x).unsqueeze(0))},
    "outer": {"": lambda x: flat(x).outer(flat(x)[:3])},
    "diagonal": {"": lambda x: square(x).diagonal()},
    "trace": {"": lambda x: square(x).trace()},
    "softmax": ends(torch.softmax),
    "log_softmax": ends(torch.log_softmax),
    "logsumexp": ends(torch.logsumexp),
    "sigmoid": {"": torch.sigmoid},
    "softplus": {"": F.softplus},
    "leaky_relu": {"": lambda x: F.leaky_relu(x, 0.1)},
    "square": {"": torch.square},
    "rsqrt": {"": lambda x: (x.square() + 0.5).rsqrt()},
    "reciprocal": {"": lambda x: (x.square() + 0.5).reciprocal()},
    "log2": {"": lambda x: (x.square() + 0.5).log2()},
    "log10": {"": lambda x: (x.square() + 0.5).log10()},
    "log1p": {"": lambda x: x.square().log1p()},
    "tan": {"": torch.tan},
    "clip": {"": lambda x: x.clip(-1.0, 1.0)},
    "std": ends(torch.std),
    "std_keepdim": ends(lambda x, dim: x.std(dim, keepdim=True)),
    "std_all": {"": lambda x: x.std()},
    "prod": ends(torch.prod),
    "prod_all": {"": lambda x: x.prod()},
    "cumprod": ends(torch.cumprod),
    "norm_dim": ends(lambda x, dim: x.norm(dim=dim)),
    "median": ends(lambda x, dim: x.median(dim).values),
    "median_all": {"": lambda x: x.median()},
    "quantile": {f"0.3 {dim}": lambda x, dim=dim: x.quantile(0.3, dim) for dim in (0, -1)},
    "sort": {f"{dim} {down}".lower(): lambda x, dim=dim, down=down: x.sort(dim=dim, descending=down, stable=True).values for dim in (0, -1) for down in (True, False)},
    "topk": {"2 -1": lambda x: x.topk(2, -1).values},
    "masked_fill": {"": lambda x: x.masked_fill(x > 0.4, 2.0)},
    "where_": {"": lambda x: torch.where(x > 0.4, x, x.square())},
    "masked_select": {"": lambda x: x.masked_select(x >= 0.0)},
    "tril": {"-1": lambda x: x.tril(-1), "1": lambda x: x.tril(1)},
    "triu": {"-1": lambda x: x.triu(-1), "1": lambda x: x.triu(1)},
}
values = {
    "float": {"": lambda x: x.float()},
    "half": {"": lambda x: x.clip(-50, 50).half()},
    "bfloat16": {"": lambda x: x.bfloat16()},
    "double": {"": lambda x: x.float().double()},
    "long": {"": lambda x: x.long()},
    "int": {"": lambda x: x.int()},
    "bool": {"": lambda x: x.bool()},
    "trunc": {"": torch.trunc},
    "isnan": {"": lambda x: x.sqrt().isnan()},
    "isinf": {"": lambda x: (1 / x).isinf()},
    "isfinite": {"": lambda x: (x.sqrt() + 1 / x).isfinite()},
    "isclose": {"": lambda x: x.isclose(x + 1e-6)},
    "logical_not": {"": lambda x: x.logical_not()},
    "logical_and": {"": lambda x: x.logical_and(x.clip(-1, 0))},
    "logical_or": {"": lambda x: x.logical_or(x.clip(-1, 0))},
    "logical_xor": {"": lambda x: x.logical_xor(x.clip(-1, 0))},
    "argsort": {f"{dim} {down}".lower(): lambda x, dim=dim, down=down: x.argsort(dim=dim, descending=down, stable=True) for dim in (0, -1) for down in (True, False)},
    "unique": {"": lambda x: x.unique()},
    "bincount": {"5": lambda x: flat(x).clip(0, 9).long().bincount(minlength=5)},
    "one_hot": {"10": lambda x: F.one_hot(x.clip(0, 9).long(), 10)},
    "full_like": {"": lambda x: torch.full_like(x, 1.5)},
    "nonzero": {"": lambda x: (x > 0).nonzero()},
    "allclose": {"": lambda x: torch.tensor(x.allclose(x + 1e-6))},
    "allclose_with": {"": lambda x: torch.tensor(x.allclose(x + 1e-3, rtol=0.0, atol=1e-2))},
    "equal": {"": lambda x: torch.tensor(x.equal(x.abs()))},
    "any": {"": lambda x: x.any()},
    "all": {"": lambda x: x.all()},
    "count_nonzero": {"": lambda x: x.count_nonzero()},
    "argmax_all": {"": lambda x: x.argmax()},
    "argmin_all": {"": lambda x: x.argmin()},
}

tensors = {f"input/{name}": x for name, x in inputs.items()}
for dtype, names in (("f64", list(inputs)), ("f32", ["matrix", "wide"])):
    for name in names:
        given = inputs[name].to({"f64": torch.float64, "f32": torch.float32}[dtype])
        for method, variants in (cases if dtype == "f32" or name == "row" else cases | values).items():
            for variant, run in variants.items():
                key = f"{method} {variant}".strip() + f"/{name}/{dtype}"
                x = given.clone().requires_grad_(method in cases)
                result = run(x)
                tensors[f"{key}/result"] = result.detach().to(torch.float32 if dtype == "f32" else torch.float64)
                if method in cases:
                    weights = 1 + torch.arange(result.numel(), dtype=result.dtype) / 2
                    (result * weights.reshape(result.shape)).sum().backward()
                    tensors[f"{key}/gradient"] = x.grad

path = pathlib.Path(__file__).with_name("methods.safetensors")
save_file({key: value.clone().contiguous() for key, value in tensors.items()}, path)
print(f"{path.name}: {len(tensors)} tensors, {path.stat().st_size / 1024:.0f} KiB")
