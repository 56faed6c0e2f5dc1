"""torchmetrics' side of `kernel/metrics/examples/metrics_benchmark.rs`, which starts it: the same metrics of the same sizes.

Reads `case<TAB>repetitions` on each line of its input and answers with the seconds of one repetition. Threads: the first argument.
"""

import warnings

import torch
import torchmetrics.classification as tc
import torchmetrics.functional.image as images
from torchmetrics.functional.regression import continuous_ranked_probability_score

from rounds import answer, prepare

warnings.filterwarnings("ignore")


def case(name):
    short = name.split(",")[0]
    if short == "IoU":
        x, y = torch.randn(8, 21, 256, 256), torch.randint(0, 21, (8, 256, 256))
        return lambda: tc.MulticlassJaccardIndex(21)(x, y)
    if short in ("F1", "top-5 accuracy", "calibration error"):
        x, y = torch.randn(10000, 1000), torch.randint(0, 1000, (10000,))
        metric = {
            "F1": lambda: tc.MulticlassF1Score(1000),
            "top-5 accuracy": lambda: tc.MulticlassAccuracy(1000, top_k=5, average="micro"),
            "calibration error": lambda: tc.MulticlassCalibrationError(1000),
        }[short]
        return lambda: metric()(x, y)
    if short in ("AUROC", "average precision"):
        x, y = torch.randn(1000000), torch.randint(0, 2, (1000000,))
        metric = {"AUROC": tc.BinaryAUROC, "average precision": tc.BinaryAveragePrecision}[short]
        return lambda: metric()(x, y)
    if short == "CRPS":
        x, y = torch.randn(10000, 100), torch.randn(10000)
        return lambda: continuous_ranked_probability_score(x, y)
    x, y = torch.rand(8, 3, 256, 256), torch.rand(8, 3, 256, 256)
    if short == "SSIM":
        return lambda: images.structural_similarity_index_measure(x, y, data_range=1.0)
    return lambda: images.multiscale_structural_similarity_index_measure(x, y, data_range=1.0)


if __name__ == "__main__":
    prepare()
    answer(case)
