"""The cases of reference.safetensors; tests/write_references.py writes them."""

from write_references import case, rand, torch

costs = torch.cat([rand(31, scale=2).abs(), torch.tensor([1e-3, 30.0, 1e4])])
for name, gamma in {"half": 0.5, "one": 1.0, "two": 2.0, "more": 3.5}.items():
    case(f"focal/{name}", lambda c: (1 - torch.exp(-c)) ** gamma * c, costs)
