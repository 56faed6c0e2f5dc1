"""The cases of reference.safetensors; tests/write_references.py writes them."""

from write_references import F, case, rand

tiny = rand(4, 6)
tiny[1] = 0
case("l2_normalize/last", lambda x: F.normalize(x, dim=-1), rand(5, 33))
case("l2_normalize/zero", lambda x: F.normalize(x, dim=-1, eps=1e-3), tiny)
case("l2_normalize/first", lambda x: F.normalize(x, dim=0), rand(5, 7))
