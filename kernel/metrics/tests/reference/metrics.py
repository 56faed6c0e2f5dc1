"""Reference numbers for tests/parity.rs, by torchmetrics and scikit-learn; structural similarity by scikit-image and pytorch-msssim.

    pip install torch torchmetrics scikit-learn scikit-image pytorch-msssim
    python metrics.py

Writes metrics.json. Inputs are made by the same generator in both languages (`Numbers` here and in tests/parity.rs), so the file has
nothing but values. Each case has a value by each library that has the metric, or by the formula that it names.
"""

import json
import pathlib

import numpy as np
import sklearn.metrics as sk
import torch
import torchmetrics.classification as tc
import torchmetrics.functional as tf
import torchmetrics.functional.regression as tr
import torchmetrics.retrieval as tret
from pytorch_msssim import ms_ssim
from skimage.metrics import structural_similarity

torch.set_default_dtype(torch.float64)
CASES = []


class Numbers:
    """A linear congruential generator, whose numbers are exact in single precision."""

    def __init__(self, seed):
        self.state = seed

    def next(self):
        self.state = (1103515245 * self.state + 12345) % 2**31
        return (self.state >> 7) / 2**24

    def uniform(self, *shape):
        count = int(np.prod(shape))
        return np.array([self.next() for _ in range(count)]).reshape(shape)

    def classes(self, classes, *shape):
        """Lower classes are more frequent."""
        return (self.uniform(*shape) ** 2 * classes).astype(np.int64)


def logits(numbers, target, classes):
    """[n, classes, ...]: noise, and more at the true class, rounded to single precision."""
    shape = (target.shape[0], classes) + target.shape[1:]
    values = (numbers.uniform(*shape) * 4 - 2).astype(np.float32)
    for at in np.ndindex(*target.shape):
        values[(at[0], target[at]) + at[1:]] += np.float32(1.0)
    return values.astype(np.float64)


def add(metric, data, value=None, sklearn=None, formula=None, scikit_image=None, pytorch_msssim=None, **settings):
    case = {"metric": metric, "input": data, **settings}
    for name, number in (("torchmetrics", value), ("sklearn", sklearn), ("formula", formula), ("scikit_image", scikit_image),
                         ("pytorch_msssim", pytorch_msssim)):
        if number is not None:
            number = np.asarray(number, dtype=np.float64).tolist()
            case[name] = number
    CASES.append(case)


def softmax(x):
    return torch.softmax(torch.tensor(x), 1)


def sigmoid(x):
    return torch.sigmoid(torch.tensor(x))


# Inputs.
numbers = Numbers(1)
flat_target = numbers.classes(5, 300)
flat = logits(numbers, flat_target, 5)
gaps_target = numbers.classes(5, 60)
gaps = logits(numbers, gaps_target, 7)
gaps[:, 5] += 1.0
gaps[:, 6] = -100.0
ignored_target = flat_target.copy()
ignored_target[::7] = -100
image_target = numbers.classes(4, 4, 12, 9)
image = logits(numbers, image_target, 4)
image_target[:, 2:5, 3:] = 255
binary_target = (numbers.uniform(250) < 0.4).astype(np.int64)
# In quarters: many are equal.
binary = np.round((numbers.uniform(250) * 4 - 2 + binary_target) * 4) / 4
series_target = numbers.uniform(40, 6) * 10
series = series_target + numbers.uniform(40, 6) * 3 - 1.2
training = np.cumsum(numbers.uniform(6, 50) - 0.5, axis=1)
quantiles = np.sort(numbers.uniform(40, 6, 3) * 12 - 1, axis=2)
samples = numbers.uniform(40, 6, 7) * 12 - 1
pictures_target = numbers.uniform(3, 3, 24, 37)
pictures = np.clip(pictures_target + numbers.uniform(3, 3, 24, 37) * 0.6 - 0.3, 0, 1)
large_target = numbers.uniform(2, 2, 176, 192)
large = large_target + numbers.uniform(2, 2, 176, 192) * 0.8 - 0.4
scores = numbers.uniform(12, 30)
relevant = (numbers.uniform(12, 30) < 0.2).astype(np.int64)
relevant[3] = 0

# Counts.
SK = {"precision": sk.precision_score, "recall": sk.recall_score, "f1_score": sk.f1_score, "iou": sk.jaccard_score}
TM = {
    "precision": tc.MulticlassPrecision,
    "recall": tc.MulticlassRecall,
    "f1_score": tc.MulticlassF1Score,
    "iou": tc.MulticlassJaccardIndex,
    "specificity": tc.MulticlassSpecificity,
    "accuracy": tc.MulticlassAccuracy,
}
for name, x, y, classes, ignore in (
    ("flat", flat, flat_target, 5, None),
    ("gaps", gaps, gaps_target, 7, None),
    ("ignored", flat, ignored_target, 5, -100),
    ("image", image, image_target, 4, 255),
):
    x, y = torch.tensor(x), torch.tensor(y)
    kept = (y != ignore).numpy() if ignore is not None else np.ones(y.shape, dtype=bool)
    predicted, truth = x.argmax(1).numpy()[kept], y.numpy()[kept]
    labels = np.union1d(predicted, truth)
    for metric, of in TM.items():
        for average in ("macro", "micro", "weighted", "none"):
            value = of(num_classes=classes, average=average, ignore_index=ignore)(x, y)
            other = None
            if metric in SK:
                other = SK[metric](truth, predicted, labels=range(classes) if average == "none" else labels,
                                   average=None if average == "none" else average, zero_division=0)
            if metric == "accuracy" and average == "micro":
                other = sk.accuracy_score(truth, predicted)
            add(metric, name, value, other, average=average)
    kappa = tc.MulticlassCohenKappa(num_classes=classes, ignore_index=ignore)(x, y)
    add("cohen_kappa", name, kappa, sk.cohen_kappa_score(truth, predicted))
    matrix = tc.MulticlassConfusionMatrix(num_classes=classes, ignore_index=ignore)(x, y)
    add("confusion_matrix", name, matrix.flatten(), sk.confusion_matrix(truth, predicted, labels=range(classes)).ravel())
    if name != "image":
        for k in (1, 2, 3):
            value = tc.MulticlassAccuracy(num_classes=classes, top_k=k, average="micro", ignore_index=ignore)(x, y)
            probabilities = softmax(x.numpy()).numpy()[kept]
            other = sk.top_k_accuracy_score(truth, probabilities, k=k, labels=range(classes))
            add("top_k", name, value, other, k=k)
    present = [c for c in range(classes) if (truth == c).any()]
    p = softmax(x.numpy()).movedim(1, -1).numpy()[kept]
    for average in ("macro", "weighted", "none"):
        auroc = tc.MulticlassAUROC(num_classes=classes, average=average, ignore_index=ignore)(x, y)
        ap = tc.MulticlassAveragePrecision(num_classes=classes, average=average, ignore_index=ignore)(x, y)
        own = [sk.roc_auc_score(truth == c, p[:, c]) for c in present]
        own_ap = [sk.average_precision_score(truth == c, p[:, c]) for c in present]
        weights = [(truth == c).sum() for c in present] if average == "weighted" else None
        if average == "none":
            # Classes without targets have no value; torchmetrics calls it 0 or NaN.
            whole = lambda v: [v[present.index(c)] if c in present else -1.0 for c in range(classes)]
            add("auroc", name, None, whole(own), average=average)
            add("average_precision", name, None, whole(own_ap), average=average)
        else:
            # Over the classes that have targets.
            skip = name == "gaps"
            add("auroc", name, None if skip else auroc, np.average(own, weights=weights), average=average)
            add("average_precision", name, None if skip else ap, np.average(own_ap, weights=weights), average=average)
    for bins in (10, 15):
        for norm in ("l1", "l2", "max"):
            value = tc.MulticlassCalibrationError(num_classes=classes, n_bins=bins, norm=norm, ignore_index=ignore)(x, y)
            add("calibration_error", name, value, bins=bins, norm=norm)

# Two classes.
x, y = torch.tensor(binary), torch.tensor(binary_target)
predicted = (binary > 0).astype(np.int64)
for metric, of, other in (
    ("precision", tc.BinaryPrecision, sk.precision_score),
    ("recall", tc.BinaryRecall, sk.recall_score),
    ("f1_score", tc.BinaryF1Score, sk.f1_score),
    ("iou", tc.BinaryJaccardIndex, sk.jaccard_score),
    ("accuracy", tc.BinaryAccuracy, sk.accuracy_score),
    ("specificity", tc.BinarySpecificity, None),
    ("cohen_kappa", tc.BinaryCohenKappa, sk.cohen_kappa_score),
):
    add(metric, "binary", of()(x, y), other and other(binary_target, predicted), average="binary")
add("auroc", "binary", tc.BinaryAUROC()(x, y), sk.roc_auc_score(binary_target, binary), average="binary")
add("average_precision", "binary", tc.BinaryAveragePrecision()(x, y),
    sk.average_precision_score(binary_target, binary), average="binary")
add("calibration_error", "binary", tc.BinaryCalibrationError(n_bins=10)(x, y), bins=10, norm="l1")

# Dice of the counts of all images is F1; torchmetrics' own is of each image.
kept = image_target != 255
add("dice", "image", None, sk.f1_score(image_target[kept], image.argmax(1)[kept], average="macro"), average="macro")

# Regression and forecasts.
x, y = torch.tensor(series), torch.tensor(series_target)
add("mae", "series", tr.mean_absolute_error(x.flatten(), y.flatten()), sk.mean_absolute_error(series_target, series))
add("mse", "series", tr.mean_squared_error(x.flatten(), y.flatten()), sk.mean_squared_error(series_target, series))
add("rmse", "series", tr.mean_squared_error(x.flatten(), y.flatten(), squared=False),
    np.sqrt(sk.mean_squared_error(series_target, series)))
for season in (1, 4):
    scale = np.abs(training[:, season:] - training[:, :-season]).mean(1)
    # One series, the first, for all; then a series for each of six columns of forecasts [n, series, horizon 1].
    add("mase", "one", formula=np.abs(series - series_target).mean() / scale[0], season=season)
    add("mase", "six", formula=(np.abs(series - series_target) / scale).mean(), season=season)
levels = [0.1, 0.5, 0.9]
losses = [sk.mean_pinball_loss(series_target.ravel(), quantiles[..., i].ravel(), alpha=q) for i, q in enumerate(levels)]
add("pinball", "quantiles", None, np.mean(losses))
add("pinball_levels", "quantiles", None, losses)
add("coverage", "quantiles", formula=((quantiles[..., 0] <= series_target) & (series_target <= quantiles[..., 2])).mean())
flat_samples = torch.tensor(samples.reshape(-1, 7))
add("crps", "samples", tr.continuous_ranked_probability_score(flat_samples, y.flatten()))
distance = np.abs(samples[..., :, None] - samples[..., None, :]).sum((-1, -2))
add("crps_fair", "samples", formula=(np.abs(samples - series_target[..., None]).mean(-1) - distance / (2 * 7 * 6)).mean())

# Images.
x, y = torch.tensor(pictures), torch.tensor(pictures_target)
add("psnr", "pictures", tf.image.peak_signal_noise_ratio(x, y, data_range=1.0, dim=(1, 2, 3)))
add("psnr_pooled", "pictures", tf.image.peak_signal_noise_ratio(x, y, data_range=1.0))


def ssim(images, targets, data_range):
    """torchmetrics averages over places at which the window is not within the image, too."""
    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "channel_axis": 0}
    return [structural_similarity(a, b, data_range=data_range, **settings) for a, b in zip(images, targets)]


add("ssim", "pictures", scikit_image=ssim(pictures, pictures_target, 1.0))
add("ssim", "bytes", scikit_image=ssim(np.round(pictures * 255), np.round(pictures_target * 255), 255.0))
x, y = torch.tensor(large), torch.tensor(large_target)
add("ms_ssim", "large", pytorch_msssim=ms_ssim(x, y, data_range=1.8, size_average=False))

# Retrieval.
index = torch.arange(12).repeat_interleave(30)
x, y = torch.tensor(scores).flatten(), torch.tensor(relevant).flatten()
for action in ("skip", "neg"):
    add("retrieval_map", "queries", tret.RetrievalMAP(empty_target_action=action)(x, y, indexes=index), empty=action)
    add("retrieval_mrr", "queries", tret.RetrievalMRR(empty_target_action=action)(x, y, indexes=index), empty=action)
    for k in (1, 5, 100):
        settings = {"top_k": k, "empty_target_action": action}
        add("retrieval_recall", "queries", tret.RetrievalRecall(**settings)(x, y, indexes=index), empty=action, k=k)
        add("retrieval_hit_rate", "queries", tret.RetrievalHitRate(**settings)(x, y, indexes=index), empty=action, k=k)
with_targets = [i for i in range(12) if relevant[i].any()]
add("retrieval_map", "queries", None, np.mean([sk.average_precision_score(relevant[i], scores[i]) for i in with_targets]),
    empty="skip")


def rounded(value):
    if isinstance(value, list):
        return [rounded(entry) for entry in value]
    return float(f"{value:.12g}") if isinstance(value, float) else value


path = pathlib.Path(__file__).with_name("metrics.json")
lines = ",\n".join(json.dumps({key: rounded(value) for key, value in case.items()}) for case in CASES)
path.write_text(f"[\n{lines}\n]\n")
print(f"{path.name}: {len(CASES)} cases, {path.stat().st_size} bytes")
