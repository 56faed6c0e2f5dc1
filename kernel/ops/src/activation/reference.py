"""The cases of reference.safetensors; tests/write_references.py writes them."""

from write_references import F, case, rand, torch

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
