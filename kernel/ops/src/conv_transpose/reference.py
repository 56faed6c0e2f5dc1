"""The cases of reference.safetensors; tests/write_references.py writes them."""

from write_references import F, case, rand

case(
    "conv_transpose2d/directions", lambda x, w, b: F.conv_transpose2d(x, w, b, (2, 3), (1, 2), (1, 2), 2, (3, 1)),
    rand(2, 4, 5, 4), rand(4, 3, 2, 3), rand(6),
)
case(
    "conv_transpose2d/output_padding", lambda x, w, b: F.conv_transpose2d(x, w, b, 2, 1, 1),
    rand(2, 4, 4, 7), rand(4, 3, 3, 3), rand(3),
)
case(
    "conv_transpose1d/groups", lambda x, w, b: F.conv_transpose1d(x, w, b, 3, 2, 2, 2, 2),
    rand(2, 4, 5), rand(4, 4, 3), rand(8),
)
