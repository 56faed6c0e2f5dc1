"""Values and gradients of the losses by their peers, in float64, for tests/parity.rs.

Run in this folder: python3 peers.py   (needs torch, torchvision, segmentation_models_pytorch; writes peers.json)

A peer is a library where one has the loss; otherwise the formula of the authors' program, written out here with
torch's operations. Each case names its peer.
"""

import json

import segmentation_models_pytorch as smp
import torch
import torch.nn.functional as F
from torchvision.ops import sigmoid_focal_loss

torch.set_default_dtype(torch.float64)
torch.manual_seed(20190124)
SMP = "segmentation_models_pytorch"


def single(x):
    """Rounds to float32, so that the test starts from the very same numbers."""
    return x.float().double()


counts = [400.0, 90.0, 25.0, 3.0]
flat_ignored = torch.tensor([0, -100, 3, 1, 2, -100])
image_target = torch.randint(0, 3, (2, 4, 5))
image_ignored = image_target.clone()
image_ignored[:, 1:3, :2] = -100
edges = (torch.rand(2, 1, 4, 5) < 0.2).double()
INPUTS = {
    "flat": single(torch.randn(6, 4) * 2),
    "flat_target": torch.tensor([0, 3, 1, 2, 2, 0]),
    "flat_ignored": flat_ignored,
    "flat_labels": (torch.rand(6, 4) < 0.4).double(),
    "flat_soft": single(torch.distributions.Dirichlet(torch.ones(4)).sample((6,))),
    "image": single(torch.randn(2, 3, 4, 5) * 2),
    "image_target": image_target,
    "image_ignored": image_ignored,
    "image_labels": (torch.rand(2, 3, 4, 5) < 0.4).double(),
    "edge_logits": single(torch.randn(2, 1, 4, 5) * 2),
    "edges": edges,
    "features": single(torch.randn(8, 5)),
    "views": single(torch.randn(4, 2, 5)),
    "keys": single(torch.randn(8, 5)),
    "feature_labels": torch.tensor([0, 1, 0, 2, 1, 3, 0, 2]),
    "view_labels": torch.tensor([0, 1, 0, 2]),
    "series": single(torch.randn(3, 7)),
    "series_target": single(torch.randn(3, 7)),
    "quantiles": single(torch.randn(3, 7, 3)),
}
# Several classes or channels, several images of odd sizes, ignored targets; a single class.
odd_target = torch.randint(0, 4, (3, 3, 5))
odd_ignored = odd_target.clone()
odd_ignored[torch.rand(3, 3, 5) < 0.3] = -100
odd_void = odd_ignored.clone()
odd_void[1] = -100
odd_labels = (torch.rand(3, 4, 3, 5) < 0.4).long()
odd_labels_ignored = odd_labels.clone()
odd_labels_ignored[torch.rand(3, 4, 3, 5) < 0.3] = -100
INPUTS.update({
    "odd": single(torch.randn(3, 4, 3, 5) * 2),
    "odd_target": odd_target,
    "odd_ignored": odd_ignored,
    "odd_void": odd_void,
    "odd_labels": odd_labels,
    "odd_labels_ignored": odd_labels_ignored,
    "odd_soft": single(torch.distributions.Dirichlet(torch.ones(4)).sample((3, 3, 5)).movedim(-1, 1)),
    "one_class": single(torch.randn(2, 1, 3, 5) * 2),
    "one_class_target": torch.where(torch.rand(2, 3, 5) < 0.3, -100, 0),
    "one_class_labels": torch.randint(0, 2, (2, 1, 3, 5)),
    "odd_series": single(torch.randn(3, 5, 7)),
    "odd_series_target": single(torch.randn(3, 5, 7)),
    "odd_quantiles": single(torch.randn(3, 5, 7, 3)),
    "partly_labeled": torch.tensor([0, 1, -100, 2, 1, 0, -100, 2]),
})
CASES = []


def case(loss, config, x, y, peer, function):
    for reduction in ("mean", "sum"):
        leaf = INPUTS[x].clone().requires_grad_(True)
        value = function(leaf, INPUTS[y])
        if reduction == "mean":
            values_of_targets(loss, config, x, y, peer, value)
        value = value[reduction] if isinstance(value, dict) else getattr(value, reduction)()
        (gradient,) = torch.autograd.grad(value, leaf)
        CASES.append(
            {
                "id": f"loss/{loss}",
                "config": {**config, "reduction": reduction},
                "prediction": x,
                "target": y,
                "peer": peer,
                "value": float(f"{value.item():.9g}"),
            }
        )
        # That of the sum is a multiple of that of the mean, and the file is to stay small.
        if reduction == "mean" or not x.startswith(("odd", "one")):
            CASES[-1]["gradient"] = [float(f"{g:.7g}") for g in gradient.ravel().tolist()]


def values_of_targets(loss, config, x, y, peer, value):
    """The case of a loss that is not reduced: values only, as their sum is in another case."""
    if isinstance(value, dict):
        if "none" not in value:
            return
        value = value["none"]
    CASES.append(
        {
            "id": f"loss/{loss}",
            "config": {**config, "reduction": "none"},
            "prediction": x,
            "target": y,
            "peer": peer,
            "values": [float(f"{v:.7g}") for v in value.detach().ravel().tolist()],
        }
    )


def over(values, mask):
    """Mean over what counts, sum, and the values, 0 where a target is ignored."""
    return {"mean": values.sum() / mask.sum(), "sum": values.sum(), "none": values * mask}


def each_image(loss, x, y):
    """The loss of each image alone."""
    return torch.stack([loss(x[i : i + 1], y[i : i + 1]) for i in range(len(x))])


def cross_entropy(x, y):
    return F.cross_entropy(x, y, reduction="none")


def kept(y):
    return y != -100


# Cross entropy and its kin.
PAIRS = (("flat", "flat_target"), ("flat", "flat_ignored"), ("image", "image_target"), ("image", "image_ignored"),
         ("odd", "odd_target"), ("odd", "odd_void"), ("one_class", "one_class_target"))
for x, y in PAIRS:
    case("cross_entropy", {}, x, y, "torch", lambda x, y: over(cross_entropy(x, y), kept(y)))
    case("label_smoothing", {"smoothing": 0.2}, x, y, "torch",
         lambda x, y: over(F.cross_entropy(x, y, label_smoothing=0.2, reduction="none"), kept(y)))

    def focal(x, y):
        ce = cross_entropy(x, y)
        return over((1 - torch.exp(-ce)) ** 2 * ce, kept(y))

    case("focal", {"gamma": 2.0}, x, y, "the paper's formula", focal)

    def poly1(x, y):
        ce = cross_entropy(x, y)
        return over((ce + 1.5 * (1 - torch.exp(-ce))) * kept(y), kept(y))

    case("poly1", {"epsilon": 1.5}, x, y, "the paper's formula", poly1)
    n = INPUTS[x].shape[1]

    def class_balanced(x, y, gamma=0.0):
        given = torch.tensor(counts[:n])
        weights = (1 - 0.99) / (1 - 0.99**given)
        weights = weights / weights.sum() * n
        ce = cross_entropy(x, y)
        w = weights[y.clamp(min=0)]
        return over((1 - torch.exp(-ce)) ** gamma * ce * w, kept(y))

    given = {"class_counts": counts[:n], "beta": 0.99}
    case("class_balanced", given, x, y, "the authors' formula", class_balanced)
    case("class_balanced", {**given, "gamma": 2.0}, x, y, "the authors' formula", lambda x, y: class_balanced(x, y, 2.0))

    def ldam(x, y):
        margins = torch.tensor(counts[:n]) ** -0.25
        margins = margins * (0.5 / margins.max())
        index = F.one_hot(y.clamp(min=0), n).movedim(-1, 1)
        shifted = torch.where(index.bool(), x - margins.view(1, -1, *[1] * (x.dim() - 2)), x)
        return over(F.cross_entropy(30 * shifted, y, reduction="none"), kept(y))

    case("ldam", {"class_counts": counts[:n]}, x, y, "the authors' formula", ldam)

    def deferred(x, y):
        """From the epoch of re-weighting on: weights by the effective number, and PyTorch's weighted mean."""
        given = torch.tensor(counts[:n])
        weights = (1 - 0.99) / (1 - 0.99**given)
        weights = weights / weights.sum() * n
        margins = given**-0.25
        margins = margins * (0.5 / margins.max())
        index = F.one_hot(y.clamp(min=0), n).movedim(-1, 1)
        shifted = torch.where(index.bool(), x - margins.view(1, -1, *[1] * (x.dim() - 2)), x)
        value = lambda reduction: F.cross_entropy(30 * shifted, y, weight=weights, reduction=reduction)
        return {reduction: value(reduction) for reduction in ("mean", "sum", "none")}

    drw = {"class_counts": counts[:n], "reweight_from_epoch": 0, "beta": 0.99}
    case("ldam", drw, x, y, "the authors' formula", deferred)

    def seesaw(x, y, p=0.8, q=2.0, eps=1e-2):
        cumulated = torch.tensor(counts[:n])
        one_hot = F.one_hot(y.clamp(min=0), n).movedim(-1, 1).double()
        ratio = cumulated[None, :].clamp(min=1) / cumulated[:, None].clamp(min=1)
        below = (ratio < 1.0).double()
        weights = (ratio**p * below + (1 - below))[y.clamp(min=0)].movedim(-1, 1)
        scores = F.softmax(x.detach(), dim=1)
        own = scores.gather(1, y.clamp(min=0).unsqueeze(1))
        matrix = scores / own.clamp(min=eps)
        above = (matrix > 1.0).double()
        weights = weights * (matrix**q * above + (1 - above))
        return over(cross_entropy(x + weights.log() * (1 - one_hot), y), kept(y))

    case("seesaw", {"class_counts": counts[:n]}, x, y, "mmdetection's formula", seesaw)

case("poly1", {"epsilon": 1.5}, "flat", "flat_soft", "the paper's formula",
     lambda x, y: F.cross_entropy(x, y, reduction="none") + 1.5 * (1 - (F.softmax(x, 1) * y).sum(1)))
case("poly1", {"epsilon": 1.5}, "odd", "odd_soft", "the paper's formula",
     lambda x, y: F.cross_entropy(x, y, reduction="none") + 1.5 * (1 - (F.softmax(x, 1) * y).sum(1)))
case("cross_entropy", {}, "odd", "odd_soft", "torch", lambda x, y: F.cross_entropy(x, y, reduction="none"))
case("kl_divergence", {}, "odd", "odd_soft", "torch",
     lambda x, y: F.kl_div(F.log_softmax(x, 1), y, reduction="none").sum(1))
case("kl_divergence", {}, "flat", "flat_soft", "torch",
     lambda x, y: F.kl_div(F.log_softmax(x, 1), y, reduction="none").sum(1))
case("kl_divergence", {"target_logits": True, "temperature": 4.0}, "features", "keys", "torch",
     lambda x, y: 16 * F.kl_div(F.log_softmax(x / 4, 1), F.softmax(y / 4, 1), reduction="none").sum(1))


def image_balanced(x, y):
    ce = cross_entropy(x, y)
    weights = torch.zeros_like(ce)
    for b in range(len(y)):
        for c in range(x.shape[1]):
            weights[b][y[b] == c] = 1 - (y[b] == c).sum() / kept(y[b]).sum()
    return over(ce * weights, kept(y))


for x, y in (("image", "image_target"), ("image", "image_ignored"), ("odd", "odd_target"), ("odd", "odd_void")):
    case("balanced_cross_entropy", {}, x, y, "HED's rule over classes", image_balanced)


def hed(x, y):
    dims = tuple(range(2, x.dim()))
    positive = y.sum(dims, keepdim=True)
    negative = (1 - y).sum(dims, keepdim=True)
    both = positive + negative
    return negative / both * y * F.softplus(-x) + positive / both * (1 - y) * F.softplus(x)


case("balanced_cross_entropy", {"activation": "sigmoid"}, "edge_logits", "edges", "HED's formula", hed)
case("balanced_cross_entropy", {"activation": "sigmoid"}, "image", "image_labels", "HED's formula", hed)


def hed_of_labels(x, y):
    """Each image and channel, over the labels that count."""
    mask = kept(y).double()
    t = y.clamp(min=0).double()
    share = (t * mask).sum((2, 3), keepdim=True) / mask.sum((2, 3), keepdim=True)
    return over(((1 - share) * t * F.softplus(-x) + share * (1 - t) * F.softplus(x)) * mask, mask)


for x, y in (("odd", "odd_labels"), ("odd", "odd_labels_ignored"), ("one_class", "one_class_labels")):
    case("balanced_cross_entropy", {"activation": "sigmoid"}, x, y, "HED's formula", hed_of_labels)

# A sigmoid for each class.
for x, y in (("flat", "flat_labels"), ("image", "image_labels"), ("edge_logits", "edges")):
    case("focal", {"activation": "sigmoid", "alpha": 0.25}, x, y, "torchvision",
         lambda x, y: sigmoid_focal_loss(x, y, alpha=0.25, gamma=2, reduction="none"))
    case("focal", {"activation": "sigmoid", "gamma": 1.5}, x, y, "torchvision",
         lambda x, y: sigmoid_focal_loss(x, y, alpha=-1, gamma=1.5, reduction="none"))

    def asymmetric(x, y, positive=1.0, negative=4.0, clip=0.05, eps=1e-8, detach=True):
        p = torch.sigmoid(x)
        q = (1 - p + clip).clamp(max=1) if clip > 0 else 1 - p
        loss = y * torch.log(p.clamp(min=eps)) + (1 - y) * torch.log(q.clamp(min=eps))
        weight = (1 - p * y - q * (1 - y)) ** (positive * y + negative * (1 - y))
        return -loss * (weight.detach() if detach else weight)

    case("asymmetric", {}, x, y, "the authors' formula", asymmetric)
    case("asymmetric", {"detach_focus": False, "clip": 0.0, "gamma_negative": 2.0, "gamma_positive": 0.0}, x, y,
         "the authors' formula", lambda x, y: asymmetric(x, y, 0.0, 2.0, 0.0, detach=False))

for x, y in (("odd", "odd_labels"), ("odd", "odd_labels_ignored"), ("one_class", "one_class_labels")):
    labels = lambda y: y.clamp(min=0).double()
    case("focal", {"activation": "sigmoid", "alpha": 0.25}, x, y, "torchvision",
         lambda x, y: over(sigmoid_focal_loss(x, labels(y), alpha=0.25, gamma=2, reduction="none") * kept(y), kept(y)))
    case("asymmetric", {}, x, y, "the authors' formula",
         lambda x, y: over(asymmetric(x, labels(y)) * kept(y), kept(y)))

# Regions.
IGNORE = {"ignore_index": -100}
for x, y in (("image", "image_target"), ("image", "image_ignored"), ("odd", "odd_target"), ("odd", "odd_ignored"),
             ("odd", "odd_void"), ("one_class", "one_class_target")):
    classes = INPUTS[x].shape[1]
    images = len(INPUTS[x])
    for smooth in (0.0, 1.0):
        # This peer adds twice its smooth.
        case("dice", {"smooth": smooth}, x, y, SMP,
             lambda x, y: {"mean": (v := (dice := smp.losses.DiceLoss("multiclass", smooth=smooth / 2, **IGNORE))(x, y)),
                           "sum": classes * v, "none": each_image(dice, x, y)})
        case("tversky", {"alpha": 0.3, "beta": 0.7, "smooth": smooth}, x, y, SMP,
             lambda x, y: {"mean": (v := (tversky := smp.losses.TverskyLoss(
                 "multiclass", alpha=0.3, beta=0.7, smooth=smooth, **IGNORE))(x, y)),
                           "sum": classes * v, "none": each_image(tversky, x, y)})

    def focal_tversky(x, y):
        valid = kept(y).unsqueeze(1)
        p = F.softmax(x, 1) * valid
        t = F.one_hot(y.clamp(min=0), x.shape[1]).movedim(-1, 1) * valid
        dims = (0, 2, 3)
        tp, fp, fn = (p * t).sum(dims), (p * (1 - t)).sum(dims), ((1 - p) * t).sum(dims)
        index = tp / (tp + 0.3 * fp + 0.7 * fn).clamp(min=1e-7)
        # Classes that are not there count as 0; a power has no slope at 0.
        return torch.where(t.sum(dims) > 0, (1 - index).clamp(min=1e-30), 0.0 * index + 1e-30) ** 0.75

    def focal_tversky_of_images(x, y):
        value = focal_tversky(x, y)
        return {"mean": value.mean(), "sum": value.sum(),
                "none": each_image(lambda x, y: focal_tversky(x, y).mean(), x, y)}

    if y != "one_class_target":
        case("focal_tversky", {}, x, y, "the paper's formula", focal_tversky_of_images)
    # This peer computes in float32 only.
    for per_image in (False, True):
        # An image without a target that counts has no value there, nor has a single class.
        if y in ("odd_void", "one_class_target"):
            continue
        case("lovasz_softmax", {"per_image": per_image}, x, y, SMP,
             lambda x, y: {"mean": (v := (lovasz := smp.losses.LovaszLoss(
                 "multiclass", per_image=per_image, **IGNORE))(x.float(), y).double()),
                           "sum": (images if per_image else 1) * v, "none": each_image(lovasz, x.float(), y)})
case("dice", {"activation": "sigmoid"}, "image", "image_labels", SMP,
     lambda x, y: {"mean": (v := smp.losses.DiceLoss("multilabel")(x, y)), "sum": 3 * v,
                   "none": each_image(smp.losses.DiceLoss("multilabel"), x, y)})
case("dice", {"activation": "sigmoid"}, "edge_logits", "edges", SMP,
     lambda x, y: {"mean": (v := smp.losses.DiceLoss("binary")(x, y)), "sum": v,
                   "none": each_image(smp.losses.DiceLoss("binary"), x, y)})
for y in ("odd_labels", "odd_labels_ignored"):
    dice = smp.losses.DiceLoss("multilabel", **IGNORE)
    tversky = smp.losses.TverskyLoss("multilabel", alpha=0.3, beta=0.7, **IGNORE)
    for loss, config, peer in (("dice", {}, dice), ("tversky", {"alpha": 0.3, "beta": 0.7}, tversky)):
        case(loss, {**config, "activation": "sigmoid"}, "odd", y, SMP,
             lambda x, y: {"mean": (v := peer(x, y)), "sum": 4 * v, "none": each_image(peer, x, y)})
    for per_image in (False, True):
        lovasz = smp.losses.LovaszLoss("multilabel", per_image=per_image, **IGNORE)
        case("lovasz_hinge", {"per_image": per_image}, "odd", y, SMP,
             lambda x, y: {"mean": (v := lovasz(x.float(), y.float()).double()), "sum": (3 if per_image else 1) * v,
                           "none": each_image(lovasz, x.float(), y.float())})
        of_channels = lambda x, y: torch.stack([lovasz(x[:, c], y[:, c]) for c in range(4)]).mean()
        case("lovasz_hinge", {"per_image": per_image, "per_channel": True}, "odd", y, f"{SMP} on each channel",
             lambda x, y: {"mean": (v := of_channels(x.float(), y.float()).double()), "sum": (3 if per_image else 1) * v,
                           "none": each_image(of_channels, x.float(), y.float())})
for per_image in (False, True):
    case("lovasz_hinge", {"per_image": per_image}, "edge_logits", "edges", SMP,
         lambda x, y: {"mean": (v := (lovasz := smp.losses.LovaszLoss("binary", per_image=per_image))(
             x.float(), y.float()).double()),
                       "sum": (2 if per_image else 1) * v, "none": each_image(lovasz, x.float(), y.float())})


# Contrastive.
def supervised_contrastive(features, labels, temperature=0.07, base=0.07):
    if features.dim() == 2:
        features = features.unsqueeze(1)
    features = F.normalize(features, dim=2)
    batch, views = features.shape[:2]
    contrast = torch.cat(torch.unbind(features, dim=1), dim=0)
    logits = contrast @ contrast.T / temperature
    logits = logits - logits.max(dim=1, keepdim=True)[0].detach()
    mask = torch.eq(labels.view(-1, 1), labels.view(1, -1)).double().repeat(views, views)
    others = 1 - torch.eye(batch * views)
    mask = mask * others
    log_p = logits - torch.log((torch.exp(logits) * others).sum(1, keepdim=True))
    pairs = mask.sum(1)
    pairs = torch.where(pairs < 1e-6, 1, pairs)
    loss = -(temperature / base) * (mask * log_p).sum(1) / pairs
    return loss.view(views, batch).mean(0)


SUPCON = "SupContrast's formula"
labeled = INPUTS["partly_labeled"] != -100


def partly_labeled(x, y):
    """The same loss of the examples that have a label."""
    values = torch.zeros(len(x)).masked_scatter(labeled, supervised_contrastive(x[labeled], y[labeled]))
    return over(values, labeled)


case("supervised_contrastive", {}, "features", "partly_labeled", SUPCON, partly_labeled)
case("supervised_contrastive", {}, "features", "feature_labels", SUPCON, supervised_contrastive)
case("supervised_contrastive", {"temperature": 0.1}, "views", "view_labels", SUPCON,
     lambda x, y: supervised_contrastive(x, y, 0.1))


def info_nce(q, k, symmetric):
    logits = F.normalize(q, dim=1) @ F.normalize(k, dim=1).T / 0.1
    own = torch.arange(len(q))
    forward = cross_entropy(logits, own)
    return (forward + cross_entropy(logits.T, own)) / 2 if symmetric else forward


for symmetric in (False, True):
    case("info_nce", {"temperature": 0.1, "symmetric": symmetric}, "features", "keys", "CLIP's formula",
         lambda x, y: info_nce(x, y, symmetric))

# Regression.
case("mse", {}, "series", "series_target", "torch", lambda x, y: F.mse_loss(x, y, reduction="none"))
case("mae", {}, "series", "series_target", "torch", lambda x, y: F.l1_loss(x, y, reduction="none"))
for loss, config, function in (("mse", {}, F.mse_loss), ("mae", {}, F.l1_loss), ("huber", {"delta": 1.0}, F.huber_loss)):
    case(loss, config, "odd_series", "odd_series_target", "torch", lambda x, y: function(x, y, reduction="none"))
case("huber", {"delta": 0.7}, "series", "series_target", "torch",
     lambda x, y: F.huber_loss(x, y, delta=0.7, reduction="none"))


def pinball(x, y):
    levels = torch.tensor([0.1, 0.5, 0.9])
    error = y.unsqueeze(-1) - x
    return torch.maximum(levels * error, (levels - 1) * error)


case("quantile", {"levels": [0.1, 0.5, 0.9]}, "quantiles", "series_target", "the paper's formula", pinball)
case("quantile", {"levels": [0.1, 0.5, 0.9]}, "odd_quantiles", "odd_series_target", "the paper's formula", pinball)

# Those that came later, with inputs of their own: what was drawn before stays what it was.
INPUTS.update({
    "couples": single(torch.randn(9, 2, 5)),
    "couple_labels": torch.tensor([1, 0, -1, 1, -1, 0, 1, -100, 1]),
    "feature_maps": single(torch.randn(3, 4, 3, 5)),
    "feature_maps_target": single(torch.randn(3, 4, 3, 5)),
})


def binary(x, y, weight=None, pos_weight=None):
    shape = (1, -1) + (1,) * (x.dim() - 2)
    number = lambda w: None if w is None else torch.tensor(w).view(shape)
    mask = kept(y).double() * torch.ones_like(x)
    values = F.binary_cross_entropy_with_logits(x, y.clamp(min=0).double(), weight=number(weight),
                                                pos_weight=number(pos_weight), reduction="none")
    return over(values * mask, mask)


for x, y in (("flat", "flat_labels"), ("image", "image_labels"), ("odd", "odd_labels"), ("odd", "odd_labels_ignored"),
             ("one_class", "one_class_labels"), ("edge_logits", "edges")):
    classes = INPUTS[x].shape[1]
    case("binary_cross_entropy", {}, x, y, "torch", binary)
    case("binary_cross_entropy", {"pos_weight": [3.5]}, x, y, "torch", lambda x, y: binary(x, y, pos_weight=[3.5]))
    own = {"pos_weight": [0.5 + i for i in range(classes)], "weights": [2.0 - 0.3 * i for i in range(classes)]}
    case("binary_cross_entropy", own, x, y, "torch", lambda x, y: binary(x, y, own["weights"], own["pos_weight"]))
case("binary_cross_entropy", {"pos_weight": [2.0]}, "flat", "flat_soft", "torch",
     lambda x, y: binary(x, y, pos_weight=[2.0]))


def without_ignored(x, y):
    """Logits and targets [positions, classes], [positions] of one image group, where this peer knows no ignored index."""
    x = x.movedim(1, -1).reshape(-1, x.shape[1])[kept(y).ravel()]
    return x, y.ravel()[kept(y).ravel()]


def jaccard(x, y, smooth):
    x, y = without_ignored(x, y)
    return smp.losses.JaccardLoss("multiclass", smooth=smooth)(x.unsqueeze(-1), y.unsqueeze(-1))


for x, y in (("flat", "flat_target"), ("image", "image_target"), ("image", "image_ignored"), ("odd", "odd_target"),
             ("odd", "odd_ignored"), ("one_class", "one_class_target")):
    classes = INPUTS[x].shape[1]
    for smooth in (0.0, 1.0):
        case("iou", {"smooth": smooth}, x, y, SMP,
             lambda x, y: {"mean": (v := jaccard(x, y, smooth)), "sum": classes * v,
                           "none": each_image(lambda x, y: jaccard(x, y, smooth), x, y)})
case("iou", {"activation": "sigmoid"}, "image", "image_labels", SMP,
     lambda x, y: {"mean": (v := smp.losses.JaccardLoss("multilabel")(x, y)), "sum": 3 * v,
                   "none": each_image(smp.losses.JaccardLoss("multilabel"), x, y)})


def triplets(x, y, mining, margin):
    """Every triplet, or each anchor's hardest, through PyTorch's loss: its values, and the anchors."""
    distance = torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist").detach()
    found = []
    for a in range(len(x)):
        positives = [p for p in range(len(x)) if p != a and y[p] == y[a] and y[a] != -100]
        negatives = [n for n in range(len(x)) if y[n] != y[a] and y[n] != -100]
        if not positives or not negatives:
            continue
        if mining == "hardest":
            positives = [max(positives, key=lambda p: distance[a, p])]
            negatives = [min(negatives, key=lambda n: distance[a, n])]
        found += [(a, p, n) for p in positives for n in negatives]
    a, p, n = torch.tensor(found).T
    if margin is None:
        pair = lambda i, j: (x[i] - x[j]).norm(dim=1)
        return F.softplus(pair(a, p) - pair(a, n)), a
    return F.triplet_margin_loss(x[a], x[p], x[n], margin=margin, eps=0.0, reduction="none"), a


def triplet(x, y, mining, margin, normalize=False):
    values, anchors = triplets(F.normalize(x, dim=1) if normalize else x, y, mining, margin)
    of = lambda a: values[anchors == a].mean() if (anchors == a).any() else torch.zeros(())
    return {"mean": values.mean(), "sum": values.sum(), "none": torch.stack([of(a) for a in range(len(x))])}


for y in ("feature_labels", "partly_labeled"):
    for mining in ("hardest", "all"):
        case("triplet", {"mining": mining}, "features", y, "torch", lambda x, y: triplet(x, y, mining, 1.0))
        case("triplet", {"mining": mining, "margin": 0.2, "normalize": True}, "features", y, "torch",
             lambda x, y: triplet(x, y, mining, 0.2, True))
        case("triplet", {"mining": mining, "margin": None}, "features", y, "the paper's formula",
             lambda x, y: triplet(x, y, mining, None))

case("cosine", {}, "features", "keys", "torch", lambda x, y: 1 - F.cosine_similarity(x, y))
case("cosine", {}, "feature_maps", "feature_maps_target", "torch", lambda x, y: 1 - F.cosine_similarity(x, y))
for margin in (0.0, 0.3):

    def couples(x, y):
        labels = torch.where(y == 1, 1.0, -1.0)
        values = F.cosine_embedding_loss(x[:, 0], x[:, 1], labels, margin=margin, reduction="none")
        return over(values * kept(y), kept(y))

    case("cosine", {"margin": margin}, "couples", "couple_labels", "torch", couples)


def siglip(q, k, scale, bias):
    logits = scale * F.normalize(q, dim=1) @ F.normalize(k, dim=1).T + bias
    return -F.logsigmoid((2 * torch.eye(len(q)) - 1) * logits).sum(1)


case("siglip", {}, "features", "keys", "the paper's formula", lambda x, y: siglip(x, y, 10.0, -10.0))
case("siglip", {"scale": 3.0, "bias": 0.5}, "features", "keys", "the paper's formula", lambda x, y: siglip(x, y, 3.0, 0.5))

inputs = {
    name: {"shape": list(x.shape), "float": x.dtype.is_floating_point, "values": [float(f"{v:.9g}") for v in x.ravel().tolist()]}
    for name, x in INPUTS.items()
}
with open("peers.json", "w", encoding="utf-8") as file:
    json.dump({"inputs": inputs, "cases": CASES}, file, separators=(",", ":"))
print(len(CASES), "cases")
