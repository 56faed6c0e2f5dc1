"""The cases of reference.safetensors; tests/write_references.py writes them."""

from write_references import F, case, rand

case("gelu_linear/plain", lambda x, w, b: F.linear(F.gelu(x), w, b), rand(2, 5, 7, scale=2), rand(3, 7), rand(3))
