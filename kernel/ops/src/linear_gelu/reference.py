"""The cases of reference.safetensors; tests/write_references.py writes them."""

from write_references import F, case, rand

case("linear_gelu/plain", lambda x, w, b: F.gelu(F.linear(x, w, b)), rand(2, 5, 7), rand(3, 7), rand(3))
