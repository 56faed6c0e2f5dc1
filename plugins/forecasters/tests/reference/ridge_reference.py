"""ridge.json: ridge regression of centered windows by scikit-learn, the penalty chosen on other windows.

  python ridge_reference.py
"""

import json
from pathlib import Path

import numpy as np
from sklearn.linear_model import Ridge

PENALTIES = [10.0**k for k in range(-1, 8)]


def main():
    random = np.random.default_rng(5)
    series = np.cumsum(random.normal(size=90)) + random.normal(size=90) + np.sin(np.arange(90))
    windows = np.lib.stride_tricks.sliding_window_view(series, 9)
    past, future = windows[:14, :6], windows[:14, 6:]
    other_past, other_future = windows[58:, :6], windows[58:, 6:]
    best = None
    for penalty in PENALTIES:
        mean, other_mean = past.mean(1, keepdims=True), other_past.mean(1, keepdims=True)
        model = Ridge(penalty, fit_intercept=False, solver="cholesky").fit(past - mean, future - mean)
        error = np.square(model.predict(other_past - other_mean) + other_mean - other_future).mean()
        if best is None or error < best["mean_squared_error"]:
            best = {"penalty": penalty, "mean_squared_error": error, "weight": model.coef_.tolist()}
    best |= {
        "past": past.tolist(),
        "future": future.tolist(),
        "held_out_past": other_past.tolist(),
        "held_out_future": other_future.tolist(),
    }
    (Path(__file__).parent / "ridge.json").write_text(json.dumps(best) + "\n")
    print(best["penalty"], best["mean_squared_error"])


if __name__ == "__main__":
    main()
