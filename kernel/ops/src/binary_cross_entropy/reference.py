"""The cases of reference.safetensors; tests/write_references.py writes them."""

from write_references import F, case, rand, torch

chance = torch.rand(4, 11, dtype=torch.float32).double()
bce = F.binary_cross_entropy_with_logits
case("binary_cross_entropy_with_logits/plain", bce, rand(4, 11, scale=3), chance)
hard = (chance > 0.5).double()
extreme = rand(4, 11)
extreme[0] = 1e4
extreme[1] = -1e4
case("binary_cross_entropy_with_logits/large", lambda x, y: bce(x, y, reduction="none"), extreme, hard)
case(
    "binary_cross_entropy_with_logits/weights",
    lambda x, y, w, p: bce(x, y, weight=w, pos_weight=p, reduction="sum"),
    rand(4, 11), chance, rand(4, 1).abs(), rand(11).abs(), fixed=(2, 3),
)
