"""The cases of reference.safetensors; tests/write_references.py writes them."""

from write_references import F, case, rand, torch

case("matmul/plain", torch.matmul, rand(5, 7), rand(7, 3))
case("matmul/batch", torch.matmul, rand(2, 3, 5, 7), rand(2, 3, 7, 4))
case("matmul/broadcast", torch.matmul, rand(2, 1, 5, 7), rand(3, 7, 4))
case("matmul/rows", torch.matmul, rand(2, 5, 7), rand(7, 3))
case("matmul/ones", torch.matmul, rand(1, 1), rand(1, 1))
case("linear/bias", F.linear, rand(2, 5, 7), rand(3, 7), rand(3))
case("linear/plain", F.linear, rand(5, 7), rand(3, 7))
case("linear/vector", F.linear, rand(7), rand(3, 7), rand(3))
