"""Reference values and gradients of the losses, in float64, for tests/reference.rs.

Run in this folder: python3 losses_reference.py   (needs numpy; writes losses_reference.json)

Every value is computed by loops over single positions, straight from the formula; the gradient is
derived by hand and compared here with central differences before it is written.
"""

import json
import math

import numpy as np

RANDOM = np.random.default_rng(20170802)


def log_softmax(row):
    shifted = row - row.max()
    return shifted - math.log(np.exp(shifted).sum())


def softplus(x):
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def sigmoid(x):
    return 1.0 / (1.0 + math.exp(-x)) if x >= 0 else math.exp(x) / (1.0 + math.exp(x))


def cross_entropy_row(row, target, config):
    """Loss and gradient of one position. `target` is an index or a vector of probabilities."""
    classes = len(row)
    weights = np.array(config.get("weights") or [1.0] * classes)
    smoothing = config.get("label_smoothing", 0.0)
    log_p = log_softmax(row)
    if np.ndim(target) == 0:
        hard = np.zeros(classes)
        hard[target] = 1.0
    else:
        hard = np.asarray(target)
    share = weights * ((1.0 - smoothing) * hard + smoothing / classes)
    # d/dx_j of -sum_c share_c log p_c = p_j sum_c share_c - share_j
    return -(share * log_p).sum(), np.exp(log_p) * share.sum() - share


def focal_softmax_row(row, target, config):
    classes = len(row)
    weights = np.array(config.get("weights") or [1.0] * classes)
    gamma = config.get("gamma", 2.0)
    log_p = log_softmax(row)
    p = np.exp(log_p)
    share = np.eye(classes)[target] if np.ndim(target) == 0 else np.asarray(target)
    value, gradient = 0.0, np.zeros(classes)
    for c in range(classes):
        factor = weights[c] * share[c]
        rest = 1.0 - p[c]
        value -= factor * rest**gamma * log_p[c]
        # d/d log p_c, with dp = p dlog p; then d log p_c / dx_j = [c = j] - p_j
        slope = -factor * (rest**gamma - (gamma * rest ** (gamma - 1) * p[c] * log_p[c] if gamma else 0.0))
        gradient += slope * (np.eye(classes)[c] - p)
    return value, gradient


def focal_sigmoid_row(row, target, config):
    classes = len(row)
    weights = np.array(config.get("weights") or [1.0] * classes)
    gamma = config.get("gamma", 2.0)
    alpha = config.get("alpha")
    truth = np.eye(classes)[target] if np.ndim(target) == 0 else np.asarray(target)
    value, gradient = np.zeros(classes), np.zeros(classes)
    for c, (x, t) in enumerate(zip(row, truth)):
        p, q = sigmoid(x), sigmoid(-x)
        cost = t * softplus(-x) + (1 - t) * softplus(x)
        miss = t * q + (1 - t) * p
        balance = weights[c] * (1.0 if alpha is None else alpha * t + (1 - alpha) * (1 - t))
        value[c] = balance * cost * miss**gamma
        miss_slope = (1 - 2 * t) * p * q
        power_slope = gamma * miss ** (gamma - 1) * miss_slope if gamma else 0.0
        gradient[c] = balance * ((p - t) * miss**gamma + cost * power_slope)
    return value, gradient


def evaluate(name, logits, target, config):
    """Value and gradient of the reduced loss; with reduction none the gradient is that of the sum."""
    row_loss = {
        "loss/cross_entropy": cross_entropy_row,
        "loss/focal": focal_sigmoid_row if config.get("activation") == "sigmoid" else focal_softmax_row,
    }[name]
    ignore = config.get("ignore_index", -100)
    per_class = row_loss is focal_sigmoid_row
    soft = target.dtype.kind == "f"
    batch, classes = logits.shape[:2]
    space = logits.shape[2:]
    values = np.zeros((batch, classes) + space if per_class else (batch,) + space)
    gradient = np.zeros_like(logits)
    total = 0.0
    for b in range(batch):
        for at in np.ndindex(*space):
            here = target[(b, slice(None)) + at] if soft else int(target[(b,) + at])
            if not soft and here == ignore:
                continue
            value, slope = row_loss(logits[(b, slice(None)) + at], here, config)
            values[((b, slice(None)) if per_class else (b,)) + at] = value
            gradient[(b, slice(None)) + at] = slope
            if per_class:
                total += classes
            elif name == "loss/cross_entropy" and not soft and config.get("weights"):
                total += config["weights"][here]
            else:
                total += 1
    reduction = config.get("reduction", "mean")
    if reduction == "none":
        return values, gradient
    if reduction == "sum":
        return values.sum(), gradient
    return (values.sum() / total, gradient / total) if total else (0.0, 0.0 * gradient)


def check_gradient(name, logits, target, config):
    """Compares the gradient by hand with central differences."""
    _, gradient = evaluate(name, logits, target, config)
    step = 1e-5
    for at in np.ndindex(*logits.shape):
        moved = []
        for sign in (1, -1):
            there = logits.copy()
            there[at] += sign * step
            moved.append(np.sum(evaluate(name, there, target, config)[0]))
        difference = (moved[0] - moved[1]) / (2 * step)
        assert abs(difference - gradient[at]) < 1e-6 * (1 + abs(difference)), (name, config, at)


def case(name, logits, target, config, smooth=True):
    if smooth:
        check_gradient(name, logits, target, config)
    value, gradient = evaluate(name, logits, target, config)
    return {
        "id": name,
        "config": config,
        "shape": list(logits.shape),
        "logits": logits.ravel().tolist(),
        "target_shape": list(target.shape),
        "target": target.ravel().tolist(),
        "soft": target.dtype.kind == "f",
        "value": np.ravel(value).tolist(),
        "value_shape": list(np.shape(value)),
        "gradient": gradient.ravel().tolist(),
    }


def single(values):
    """Rounds to float32, so that the test starts from the very same numbers."""
    return np.asarray(values, dtype=np.float32).astype(np.float64)


def main():
    flat = single(RANDOM.normal(size=(6, 4)) * 2)
    image = single(RANDOM.normal(size=(2, 3, 4, 5)) * 2)
    flat_target = np.array([0, 3, 1, 2, 2, 0])
    image_target = RANDOM.integers(0, 3, size=(2, 4, 5))
    flat_ignored = flat_target.copy()
    flat_ignored[[1, 4]] = -100
    image_ignored = image_target.copy()
    image_ignored[:, 1:3, :2] = 255
    flat_soft = single(RANDOM.dirichlet(np.ones(4), size=6))
    image_soft = single(np.moveaxis(RANDOM.dirichlet(np.ones(3), size=(2, 4, 5)), -1, 1))
    truth = single(RANDOM.integers(0, 2, size=(6, 4)))
    image_truth = single(RANDOM.integers(0, 2, size=(2, 3, 4, 5)))
    huge = np.array([[1e4, -1e4, 0.0], [-1e4, 1e4, 0.0], [1e4, 1e4, -1e4], [0.0, 0.0, 0.0]])
    huge_target = np.array([0, 0, 2, 1])
    flat_weights, image_weights = [0.5, 2.0, 1.0, 0.25], [1.0, 3.0, 0.5]

    cases = []
    for reduction in ("mean", "sum", "none"):
        for config in (
            {},
            {"weights": True},
            {"label_smoothing": 0.1},
            {"weights": True, "label_smoothing": 0.3},
        ):
            for logits, targets, weights, ignore in (
                (flat, (flat_target, flat_ignored, flat_soft), flat_weights, -100),
                (image, (image_target, image_ignored, image_soft), image_weights, 255),
            ):
                for target in targets:
                    full = {**config, "reduction": reduction, "ignore_index": ignore}
                    if full.pop("weights", False):
                        full["weights"] = weights
                    cases.append(case("loss/cross_entropy", logits, target, full))
        for config in ({}, {"gamma": 0.0}, {"gamma": 1.0, "weights": True}, {"gamma": 0.5}, {"gamma": 3.5}):
            for logits, targets, weights, ignore in (
                (flat, (flat_target, flat_ignored, flat_soft), flat_weights, -100),
                (image, (image_target, image_ignored, image_soft), image_weights, 255),
            ):
                for target in targets:
                    full = {**config, "reduction": reduction, "ignore_index": ignore}
                    if full.pop("weights", False):
                        full["weights"] = weights
                    cases.append(case("loss/focal", logits, target, full))
        for config in ({}, {"alpha": 0.25}, {"gamma": 0.0}, {"gamma": 1.5, "alpha": 0.75}):
            for logits, target in ((flat, truth), (flat, flat_ignored), (image, image_truth)):
                full = {**config, "reduction": reduction, "activation": "sigmoid"}
                cases.append(case("loss/focal", logits, target, full))
    everything_ignored = np.full(6, -100)
    for name in ("loss/cross_entropy", "loss/focal"):
        cases.append(case(name, flat, everything_ignored, {}))
        cases.append(case(name, huge, huge_target, {"reduction": "none"}, smooth=False))
    cases.append(case("loss/focal", huge, huge_target, {"reduction": "none", "activation": "sigmoid"}, smooth=False))
    for at in cases:
        for key in ("logits", "value", "gradient"):
            at[key] = [float(f"{value:.9g}") for value in at[key]]
    with open("losses_reference.json", "w", encoding="utf-8") as file:
        json.dump(cases, file, separators=(",", ":"))
    print(len(cases), "cases")


if __name__ == "__main__":
    main()
