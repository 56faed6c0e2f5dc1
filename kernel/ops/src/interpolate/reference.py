"""The cases of reference.safetensors; tests/write_references.py writes them."""

from write_references import F, case, rand

for how in ("nearest", "bilinear", "bicubic"):
    more = {} if how == "nearest" else {"align_corners": False}
    case(f"interpolate/{how}_up", lambda x: F.interpolate(x, (9, 11), mode=how, **more), rand(2, 2, 4, 5))
    case(f"interpolate/{how}_down", lambda x: F.interpolate(x, (3, 4), mode=how, **more), rand(1, 2, 8, 7))
    case(f"interpolate/{how}_one", lambda x: F.interpolate(x, (3, 3), mode=how, **more), rand(1, 1, 1, 1))
for how in ("bilinear", "bicubic"):
    for name, shape, size in (("down", (1, 2, 17, 13), (3, 4)), ("up", (2, 2, 4, 5), (9, 11)), ("both", (1, 1, 12, 5), (5, 12))):
        case(f"interpolate_with/{how}_{name}", lambda x: F.interpolate(x, size, mode=how, antialias=True), rand(*shape))
