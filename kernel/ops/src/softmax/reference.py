"""The cases of reference.safetensors; tests/write_references.py writes them."""

from write_references import F, case, rand

for name, f in {"softmax": F.softmax, "log_softmax": F.log_softmax}.items():
    case(f"{name}/last", lambda x: f(x, dim=-1), rand(3, 5, 67))
    case(f"{name}/short", lambda x: f(x, dim=-1), rand(41, 9, scale=4))
    case(f"{name}/middle", lambda x: f(x, dim=1), rand(2, 7, 21))
    case(f"{name}/first", lambda x: f(x, dim=0), rand(5, 3))
    case(f"{name}/one", lambda x: f(x, dim=-1), rand(4, 1))
    case(f"{name}/large", lambda x: f(x, dim=-1), rand(3, 64, scale=3000))

# Enough columns side by side for tiles, the last one smaller.
case("softmax/wide", lambda x: F.softmax(x, dim=1), rand(1, 3, 530))
case("log_softmax/wide", lambda x: F.log_softmax(x, dim=1), rand(1, 3, 530))
