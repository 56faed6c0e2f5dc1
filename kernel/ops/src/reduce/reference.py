"""The cases of reference.safetensors; tests/write_references.py writes them."""

from write_references import case, rand, torch

for name, f in {"sum": torch.sum, "mean": torch.mean, "var": torch.var}.items():
    case(f"{name}_all/image", lambda x: f(x), rand(2, 3, 5, 7) + 0.5)
    case(f"{name}/last", lambda x: f(x, dim=-1), rand(3, 4, 67))
    case(f"{name}/middle", lambda x: f(x, dim=1), rand(2, 37, 5))
    case(f"{name}/several", lambda x: f(x, dim=(0, 2)), rand(4, 3, 5, 6))
    case(f"{name}_keepdim/first", lambda x: f(x, dim=0, keepdim=True), rand(23, 4))
case("var_with/biased", lambda x: torch.var(x, dim=(1, 2), correction=0), rand(3, 8, 5))
