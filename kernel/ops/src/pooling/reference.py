"""The cases of reference.safetensors; tests/write_references.py writes them."""

from write_references import F, case, rand

case("max_pool2d/plain", lambda x: F.max_pool2d(x, (2, 2), (2, 2)), rand(2, 3, 6, 8))
case("max_pool2d/strided", lambda x: F.max_pool2d(x, (3, 2), (2, 1), (1, 1)), rand(2, 3, 7, 5))
case("avg_pool2d/plain", lambda x: F.avg_pool2d(x, (2, 3), (2, 1)), rand(2, 3, 6, 8))
case("avg_pool2d/padded", lambda x: F.avg_pool2d(x, (3, 3), (2, 2), (1, 1)), rand(2, 3, 7, 5))
case("adaptive_avg_pool2d/plain", lambda x: F.adaptive_avg_pool2d(x, (3, 2)), rand(2, 3, 7, 5))
case("adaptive_avg_pool2d/one", lambda x: F.adaptive_avg_pool2d(x, (1, 1)), rand(2, 3, 7, 5))
