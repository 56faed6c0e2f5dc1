"""The cases of reference.safetensors; tests/write_references.py writes them."""

from write_references import case, rand, torch

for name, f in {
    "broadcast_add": torch.add, "broadcast_sub": torch.sub, "broadcast_mul": torch.mul, "broadcast_div": torch.div,
}.items():
    away = lambda *shape: rand(*shape).abs() + 0.5
    case(f"{name}/bias", f, rand(4, 3, 5), away(5))
    case(f"{name}/both", f, rand(3, 1, 5), away(2, 1, 4, 1))
    case(f"{name}/scalar", f, rand(6, 3), away(1))
case("broadcast_as/token", lambda x: x.expand(4, 3, 5), rand(1, 3, 1))
