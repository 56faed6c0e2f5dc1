"""PyTorch's side of `plugins/losses/examples/loss_benchmark.rs`, which starts it.

Reads the name of a case on each line of its input and answers with the seconds of one forward and backward pass.
Threads: the first argument.
"""

import sys
import time

import torch
import torch.nn.functional as F

torch.set_num_threads(int(sys.argv[1]))
torch.manual_seed(0)
CLASSES = 9


def focal(logits, target):
    ce = F.cross_entropy(logits, target, reduction="none")
    return ((1 - torch.exp(-ce)) ** 2 * ce).mean()


def sigmoid_focal(logits, target):
    truth = F.one_hot(target, CLASSES).movedim(-1, 1).to(logits.dtype)
    ce = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    p = torch.sigmoid(logits)
    miss = 1 - (p * truth + (1 - p) * (1 - truth))
    return (ce * miss**2).mean()


def balanced(logits, target):
    flat = target.reshape(target.shape[0], -1) if logits.dim() > 2 else target.reshape(1, -1)
    shares = torch.stack([1 - torch.bincount(row, minlength=CLASSES) / row.numel() for row in flat])
    weights = shares.gather(1, flat).reshape(target.shape)
    return (F.cross_entropy(logits, target, reduction="none") * weights).mean()


def dice(logits, target):
    p = F.softmax(logits, dim=1)
    truth = F.one_hot(target, CLASSES).movedim(-1, 1).to(logits.dtype)
    dims = (0, *range(2, logits.dim()))
    overlap, size = (p * truth).sum(dims), (p + truth).sum(dims)
    present = truth.sum(dims) > 0
    return ((1 - 2 * overlap / size.clamp(min=1e-7)) * present).mean()


LOSSES = {
    "cross_entropy": lambda logits, target: F.cross_entropy(logits, target),
    "focal": focal,
    "sigmoid focal": sigmoid_focal,
    "balanced_cross_entropy": balanced,
    "dice": dice,
}
SHAPES = {"512x512x9": (1, CLASSES, 512, 512), "65536x9": (65536, CLASSES)}


def main():
    print(torch.__version__, flush=True)
    inputs = {}
    for name, shape in SHAPES.items():
        positions = (shape[0], *shape[2:])
        inputs[name] = (torch.randn(shape, requires_grad=True), torch.randint(0, CLASSES, positions))
    for line in sys.stdin:
        name, repetitions = line.rstrip("\n").split("\t")
        loss, shape = name.rsplit(" ", 1)
        logits, target = inputs[shape]
        start = time.perf_counter()
        for _ in range(int(repetitions)):
            LOSSES[loss](logits, target).backward()
            logits.grad = None
        print((time.perf_counter() - start) / int(repetitions), flush=True)


if __name__ == "__main__":
    main()
