"""The cases of reference.safetensors; tests/write_references.py writes them."""

from write_references import F, case, rand

case("layer_norm/affine", lambda x, w, b: F.layer_norm(x, w.shape, w, b, 1e-5), rand(2, 5, 37), rand(37), rand(37))
case("layer_norm/plain", lambda x: F.layer_norm(x, (8,), eps=1e-6), rand(3, 8))
case("layer_norm/two", lambda x, w, b: F.layer_norm(x, w.shape, w, b, 1e-5), rand(4, 3, 6), rand(3, 6), rand(3, 6))
case("layer_norm/weight", lambda x, w: F.layer_norm(x, w.shape, w, None, 1e-5), rand(4, 192) + 3, rand(192))
case("rms_norm/weight", lambda x, w: F.rms_norm(x, w.shape, w, 1e-6), rand(2, 5, 37), rand(37))
case("rms_norm/plain", lambda x: F.rms_norm(x, (8,), eps=1e-5), rand(3, 8))
