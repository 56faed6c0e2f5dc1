"""Images per second of the loader beside PyTorch's DataLoader: JPEGs of 224 px, RandomResizedCrop, flip, normalize.

    python tests/bench/data_loader.py [--images 10000] [--workers 2] [--batch 64] [--epochs 3]

Needs torch, torchvision and Pillow. The pictures are generated: smooth shapes and grain, about as long as photographs of this size at
quality 85. Both sides read the same files, in turns; the ratio is of the best epochs.
"""

import argparse
import pathlib
import re
import subprocess
import tempfile
import time

import numpy as np
import PIL.Image
import torch
import torchvision.transforms as T
from torchvision.datasets import ImageFolder

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
BENCHMARK = REPOSITORY / "target/release/examples/data_loader_benchmark"


def generate(folder, count):
    generator = np.random.default_rng(1)
    y, x = np.mgrid[0:224, 0:224] / 224
    sizes = 0
    for number in range(count):
        picture = np.zeros((224, 224, 3))
        for _ in range(6):
            a, b, phase = generator.normal(0, 12, 2).tolist() + [generator.uniform(0, 6.3)]
            picture += generator.uniform(0, 40, 3) * np.sin(a * x + b * y + phase)[..., None]
        edge = generator.normal(0, 1, 3)
        picture += 50 * (edge[0] * x + edge[1] * y + edge[2] / 3 > 0)[..., None] * generator.uniform(-1, 1, 3)
        picture += generator.normal(0, 9, (224, 224, 1)) + 128
        path = folder / f"class{number % 10}" / f"{number:05}.jpg"
        path.parent.mkdir(exist_ok=True)
        PIL.Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(path, quality=85)
        sizes += path.stat().st_size
    return sizes / count


def theirs(folder, batch, workers):
    transform = T.Compose(
        [T.RandomResizedCrop(224), T.RandomHorizontalFlip(), T.ToTensor(), T.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])]
    )
    loader = torch.utils.data.DataLoader(
        ImageFolder(folder, transform), batch, shuffle=True, num_workers=workers, persistent_workers=True
    )
    while True:
        start = time.perf_counter()
        images = sum(len(labels) for _, labels in loader)
        yield images / (time.perf_counter() - start)


def ours(folder, batch, workers):
    output = subprocess.run([BENCHMARK, folder, str(batch), str(workers), "1"], check=True, capture_output=True, text=True).stdout
    return float(re.search(r"([\d.]+) images/s", output)[1]), re.search(r"memory (.*)", output)[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        size = generate(folder, options.images)
        print(f"{options.images} JPEGs of 224 px, {size / 1024:.1f} KB on average; {options.workers} workers, batches of {options.batch}")
        peer = theirs(folder, options.batch, options.workers)
        best = {"theirs": 0.0, "ours": 0.0}
        for epoch in range(options.epochs):
            rate = next(peer)
            own, memory = ours(folder, options.batch, options.workers)
            best["theirs"], best["ours"] = max(best["theirs"], rate), max(best["ours"], own)
            print(f"epoch {epoch}: PyTorch {rate:.0f} images/s, Patchbay {own:.0f} images/s, memory {memory}")
    print(f"time of an image, over PyTorch's DataLoader: {best['theirs'] / best['ours']:.3f} (bar 0.667); {best['ours'] / best['theirs']:.2f} x its images per second")


if __name__ == "__main__":
    main()
