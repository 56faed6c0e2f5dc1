"""The cases of reference.safetensors; tests/write_references.py writes them."""

from write_references import F, case, rand, torch

labels = torch.randint(0, 9, (19,))
ignored = labels.clone()
ignored[::3] = -100
weight = rand(9).abs() + 0.1
soft = F.softmax(rand(19, 9), dim=1).float().double()
case("cross_entropy/plain", F.cross_entropy, rand(19, 9), labels)
case("cross_entropy/ignored", F.cross_entropy, rand(19, 9), ignored)
case("cross_entropy/ignore_3", lambda x, y: F.cross_entropy(x, y, ignore_index=3), rand(19, 9), labels)
case(
    "cross_entropy/weight",
    lambda x, y, w: F.cross_entropy(x, y, weight=w, label_smoothing=0.1),
    rand(19, 9), ignored, weight, fixed=(2,),
)
case("cross_entropy/sum", lambda x, y: F.cross_entropy(x, y, reduction="sum", label_smoothing=0.2), rand(19, 9), labels)
case("cross_entropy/none", lambda x, y: F.cross_entropy(x, y, reduction="none"), rand(19, 9), ignored)
case("cross_entropy/large", F.cross_entropy, rand(19, 9, scale=10000), labels)
case("cross_entropy/vocabulary", F.cross_entropy, rand(5, 131), torch.randint(0, 131, (5,)))
case(
    "cross_entropy/vocabulary_weight",
    lambda x, y, w: F.cross_entropy(x, y, weight=w, label_smoothing=0.1),
    rand(5, 131), torch.randint(0, 131, (5,)), rand(131).abs(), fixed=(2,),
)
case("cross_entropy/single", F.cross_entropy, rand(7), torch.tensor(4))
pixels = torch.randint(0, 5, (2, 6, 7))
pixels[0, :2] = 255
case("cross_entropy/pixels", lambda x, y: F.cross_entropy(x, y, ignore_index=255), rand(2, 5, 6, 7), pixels)
case("cross_entropy/pixels_none", lambda x, y: F.cross_entropy(x, y, reduction="none", ignore_index=255), rand(2, 5, 6, 7), pixels)
case("cross_entropy/soft", F.cross_entropy, rand(19, 9), soft)
case(
    "cross_entropy/soft_weight",
    lambda x, y, w: F.cross_entropy(x, y, weight=w, label_smoothing=0.1, reduction="sum"),
    rand(19, 9), soft, weight, fixed=(2,),
)
case("cross_entropy/soft_pixels", lambda x, y: F.cross_entropy(x, y, reduction="none"), rand(2, 4, 3, 5), F.softmax(rand(2, 4, 3, 5), 1).float().double())

# Enough columns side by side for tiles, the last one smaller.
many = torch.randint(0, 3, (1, 530))
many[:, ::7] = -100
case("cross_entropy/wide", F.cross_entropy, rand(1, 3, 530), many)
case(
    "cross_entropy/wide_weight",
    lambda x, y, w: F.cross_entropy(x, y, weight=w, label_smoothing=0.1),
    rand(1, 3, 530, scale=3), many, rand(3).abs(), fixed=(2,),
)
