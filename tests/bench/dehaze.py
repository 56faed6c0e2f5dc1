"""Times dehazing beside a well-tuned OpenCV recipe in the same run; prints JSON.

  cargo build --release --workspace --examples
  pip install numpy opencv-contrib-python-headless
  python tests/bench/dehaze.py [--threads 2] [--rounds 7] [--pictures 20000] [--release target/release]

Both sides take turns, round by round, so that what else runs on the machine hits both. A row has both
medians and minima in milliseconds; `ratio` is ours / OpenCV's, of the medians and of the minima.

  dcp      one picture in memory, the threads share it. The recipe is in dehaze_opencv.py: patch 15,
           omega 0.95, t0 0.1, radius 60, eps 1e-4, uint8 in and out; `gray` and `color` guided filter by
           cv2.ximgproc, `fast` subsampled by 4
  batch    2,000 pictures of 100 x 100 in memory, each thread or process its own; OpenCV's time is the
           better of its thread pool and its process pool
  folder   `patchbay dehaze` on JPEGs of 100 x 100 against a multiprocessing pool that does imread, the gray recipe
           and imwrite (quality 95) and writes no report; `share` is where our time goes
"""

import argparse
import json
import multiprocessing
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import dehaze_opencv as recipe
import numpy as np

GUIDES = {"gray": "gray", "color": "color", "fast": "gray/4"}


def ours(release, pictures, work, threads, repeats):
    """Milliseconds a picture of each repeat."""
    count, height, width, _ = pictures.shape
    with tempfile.NamedTemporaryFile() as file:
        pictures[..., ::-1].tofile(file.name)
        command = [release / "examples/speed", file.name, width, height, count, work, threads, repeats]
        return json.loads(subprocess.check_output([str(part) for part in command]))


def milliseconds(work, repeats):
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(1e3 * (time.perf_counter() - start))
    return times


def row(what, ours, opencv, **more):
    ratio = {
        "median": round(statistics.median(ours) / statistics.median(opencv), 3),
        "least": round(min(ours) / min(opencv), 3),
    }
    times = {
        name: [round(statistics.median(values), 4), round(min(values), 4)]
        for name, values in (("ours", ours), ("opencv", opencv))
    }
    return {"what": what, **more, **times, "ratio": ratio}


def single(release, threads, rounds):
    cv2.setNumThreads(threads)
    for width, height in ((640, 480), (1920, 1080)):
        picture = recipe.scene(width, height)
        for guide, work in GUIDES.items():
            recipe.dehaze(picture, guide)
            mine, theirs = [], []
            for _ in range(rounds):
                mine += ours(release, picture[None], work, threads, 3)
                theirs += milliseconds(lambda: recipe.dehaze(picture, guide), 3)
            yield row("dcp", mine, theirs, guide=guide, size=f"{width}x{height}")


def batch(release, threads, rounds):
    recipe.IMAGES.extend(recipe.scene(100, 100, seed) for seed in range(2000))
    pictures = np.stack(recipe.IMAGES)
    cv2.setNumThreads(1)
    with ThreadPoolExecutor(threads) as pool, multiprocessing.get_context("fork").Pool(threads) as processes:
        for guide, work in GUIDES.items():
            tasks = [(index, guide) for index in range(len(pictures))]
            mine, by_threads, by_processes = [], [], []
            processes.map(recipe.dehaze_at, tasks[:100])
            for _ in range(rounds):
                mine += ours(release, pictures, work, threads, 1)
                each = 1 / len(tasks)
                by_threads += [each * t for t in milliseconds(lambda: list(pool.map(recipe.dehaze_at, tasks)), 1)]
                by_processes += [
                    each * t
                    for t in milliseconds(lambda: processes.map(recipe.dehaze_at, tasks, chunksize=50), 1)
                ]
            theirs = min(by_threads, by_processes, key=statistics.median)
            yield row("batch", mine, theirs, guide=guide, size="100x100")


def dehaze_file(paths):
    source, target = paths
    picture = cv2.imread(source, cv2.IMREAD_COLOR)
    cv2.imwrite(target, recipe.dehaze(picture, "gray"), [cv2.IMWRITE_JPEG_QUALITY, 95])


def one_thread():
    cv2.setNumThreads(1)


def folder(release, threads, rounds, pictures):
    root = Path(tempfile.mkdtemp())
    try:
        files = []
        for index in range(pictures):
            folder = root / "in" / f"{index % 200:03}"
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / f"{index}.jpg"
            cv2.imwrite(str(path), recipe.IMAGES[index % len(recipe.IMAGES)], [cv2.IMWRITE_JPEG_QUALITY, 95])
            files.append(path.relative_to(root / "in"))
        mine, theirs, summary = [], [], ""
        context = multiprocessing.get_context("fork")
        for _ in range(rounds):
            shutil.rmtree(root / "ours", ignore_errors=True)
            command = [release / "patchbay", "dehaze", root / "in", root / "ours", "--threads", threads, "--all"]
            start = time.perf_counter()
            summary = subprocess.check_output([str(part) for part in command], text=True)
            mine.append(1e3 * (time.perf_counter() - start) / pictures)
            shutil.rmtree(root / "theirs", ignore_errors=True)
            for folder in {path.parent for path in files}:
                (root / "theirs" / folder).mkdir(parents=True)
            tasks = [(str(root / "in" / path), str(root / "theirs" / path)) for path in files]
            start = time.perf_counter()
            with context.Pool(threads, one_thread) as pool:
                pool.map(dehaze_file, tasks, chunksize=50)
            theirs.append(1e3 * (time.perf_counter() - start) / pictures)
        share = next(line.strip() for line in summary.splitlines() if "% decode" in line)
        yield row("folder", mine, theirs, size="100x100", pictures=pictures, share=share)
    finally:
        shutil.rmtree(root)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--pictures", type=int, default=20000, help="JPEGs in the folder")
    parser.add_argument("--release", type=Path, default=Path("target/release"))
    arguments = parser.parse_args()
    release = arguments.release.resolve()
    print(json.dumps({"opencv": cv2.__version__, "cores": os.cpu_count(), "threads": arguments.threads}))
    for line in single(release, arguments.threads, arguments.rounds):
        print(json.dumps(line), flush=True)
    for line in batch(release, arguments.threads, arguments.rounds):
        print(json.dumps(line), flush=True)
    for line in folder(release, arguments.threads, max(1, arguments.rounds // 3), arguments.pictures):
        print(json.dumps({**line, "load": os.getloadavg()[0]}), flush=True)


if __name__ == "__main__":
    main()
