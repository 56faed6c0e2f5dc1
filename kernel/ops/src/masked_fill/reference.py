"""The cases of reference.safetensors; tests/write_references.py writes them."""

from write_references import case, rand, torch

mask = (torch.rand(3, 1, 5) > 0.5).to(torch.uint8)
case("masked_fill/plain", lambda x, m: x.masked_fill(m.bool(), -2.5), rand(3, 4, 5), mask)
