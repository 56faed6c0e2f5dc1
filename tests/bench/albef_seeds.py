"""What notebooks/albef_small.ipynb reaches over seeds: its retrieval of pictures that were not trained on.

Usage: python tests/bench/albef_seeds.py [--seeds 1 2 3 5 6] [--steps 1500] [--release target/release]

The notebook is compiled once and run with each seed, that of first values, masked words and negatives. Prints the share of
test pictures whose own caption is the nearest (text R@1) and of captions whose own picture is (image R@1), by features alone and with
the best candidates ranked again, and over the seeds the mean, the standard deviation, and the least.
The figures that are quoted are those of one thread (RAYON_NUM_THREADS=1): the order of sums in products of matrices follows the threads.
"""

import argparse
import json
import re
import statistics
import subprocess
import tempfile
from pathlib import Path

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "albef_small.ipynb"


def table(notebook):
    """Text R@1 and image R@1 of each row of the notebook's table of results, in per cent."""
    rows = {}
    for cell in json.loads(notebook.read_text())["cells"]:
        if "ranked.recall" not in "".join(cell["source"]):
            continue
        for output in cell["outputs"]:
            text = "".join(output.get("data", {}).get("text/plain", ""))
            for line in text.splitlines():
                shares = re.findall(r"(\d+\.\d) %", line)
                if len(shares) == 6:
                    rows[line.split("  ")[0].strip()] = float(shares[0]), float(shares[3])
    assert len(rows) == 3, f"no table of results in {notebook}: {rows}"
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 5, 6])
    parser.add_argument("--steps", type=int)
    parser.add_argument("--release", type=Path, default=Path("target/release"))
    arguments = parser.parse_args()
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        job, out = Path(folder, "job"), Path(folder, "out.ipynb")
        build = [arguments.release / "patchbay", "build", NOTEBOOK, "-o", job]
        subprocess.run(build, check=True, stdout=subprocess.DEVNULL)
        for seed in arguments.seeds:
            run = [job / "run", "-p", f"seed={seed}", "-o", out]
            if arguments.steps:
                run += ["-p", f"steps={arguments.steps}"]
            subprocess.run(run, check=True, stdout=subprocess.DEVNULL)
            for name, shares in table(out).items():
                results.setdefault(name, []).append(shares)
            print(f"seed {seed}: " + "; ".join(f"{name}: {rows[-1][0]} and {rows[-1][1]} %" for name, rows in results.items()), flush=True)
    for name, rows in results.items():
        for what, shares in zip(("text R@1", "image R@1"), zip(*rows)):
            spread = statistics.stdev(shares) if len(shares) > 1 else float("nan")
            print(f"{name}, {what}: mean {statistics.mean(shares):.1f} %, deviation {spread:.1f}, least {min(shares):.1f}")


if __name__ == "__main__":
    main()
