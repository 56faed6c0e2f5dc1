"""The cases of reference.safetensors; tests/write_references.py writes them."""

from write_references import F, case, rand

case("conv2d/plain", F.conv2d, rand(2, 3, 7, 8), rand(4, 3, 3, 3), rand(4))
case("conv2d/strided", lambda x, w, b: F.conv2d(x, w, b, (2, 3), (1, 2), (2, 1)), rand(2, 4, 9, 8), rand(6, 4, 3, 2), rand(6))
case("conv2d/groups", lambda x, w: F.conv2d(x, w, None, 1, 1, 1, 2), rand(3, 4, 5, 5), rand(6, 2, 3, 3))
case("conv2d/pointwise", lambda x, w, b: F.conv2d(x, w, b), rand(2, 4, 5, 5), rand(3, 4, 1, 1), rand(3))
case("conv2d/patches", lambda x, w, b: F.conv2d(x, w, b, 4), rand(2, 3, 8, 12), rand(5, 3, 4, 4), rand(5))
case(
    "conv2d/directions", lambda x, w, b: F.conv2d(x, w, b, (3, 2), (1, 2), (2, 1), 2),
    rand(2, 4, 11, 8), rand(6, 2, 3, 2), rand(6),
)
case("conv1d/groups", lambda x, w, b: F.conv1d(x, w, b, 3, 2, 1, 2), rand(2, 4, 17), rand(8, 2, 5), rand(8))
case("conv1d/dilated", lambda x, w, b: F.conv1d(x, w, b, 2, 0, 3), rand(2, 4, 12), rand(8, 4, 2), rand(8))
