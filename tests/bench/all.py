"""Runs the benchmarks one after the other and prints each ratio beside its bar; tests/bench/all.sh calls it.

A benchmark is an entry of BENCHMARKS: the modules that its peer needs, its command, and what reads rows of name, figure and bar from
what it prints. A row without a bar is printed for its figure.
"""

import dataclasses
import importlib.util
import json
import os
import pathlib
import re
import subprocess
import sys
import typing

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
EXAMPLES = "target/release/examples/"


@dataclasses.dataclass
class Row:
    name: str
    figure: float
    bar: float | None
    unit: str = "x"

    def is_met(self):
        return self.bar is None or self.figure <= self.bar


def columns(line):
    return re.split(r"\s{2,}", line.strip())


def table(output, figure, bar):
    """The rows of a table of ours: the column `figure`, and as bar a number or the name of another column."""
    head = None
    for line in output.splitlines():
        cells = columns(line)
        if figure in cells:
            head = cells
        elif head and len(cells) == len(head):
            row = dict(zip(head, cells))
            limit = float(row[bar]) if isinstance(bar, str) else bar
            yield Row(cells[0], float(row[figure]), limit)
        else:
            head = None


def latency(output):
    bars = {"tensor cell, nothing cached": 1.15, "the same, ending in an expression": 1.35, "the same, defining a variable": 1.2}
    for name, bar in bars.items():
        found = re.search(rf"^\| {re.escape(name)} \|.*?\(([\d.]+) x bare rustc", output, re.MULTILINE)
        yield Row(f"{name}, over bare rustc", float(found[1]), bar)
    found = re.search(r"^\| the same, cached \| ([\d.]+) ms \| ([\d.]+) ms", output, re.MULTILINE)
    yield Row("a cached cell, over ipykernel's", float(found[1]) / float(found[2]), 0.5)


def growth(output):
    found = re.search(r"median of a 40-cell notebook \| ([\d.]+) ms \| ([\d.]+) ms", output)
    yield Row("cached cell of a notebook, over ipykernel's", float(found[1]) / float(found[2]), 0.5)
    found = re.search(r"20 uncached cells of 0.5 s each, sent at once \(10 s of running\) \| ([\d.]+) s", output)
    yield Row("20 queued cells of 0.5 s", float(found[1]), 11, "s")
    found = re.search(r"the same after 150 items and 100 variables \| .*\(([\d.]+) x\)", output)
    yield Row("a cell after 150 items and 100 variables, over one after 10", float(found[1]), 1.35)


def many_cells(output):
    found = re.search(r"300 cached cells: ([\d.]+) s sent at once", output)
    yield Row("300 cached cells sent at once", float(found[1]), 2, "s")
    processor = re.findall(r"distinct cells, the (?:first|last): .*; ([\d.]+) ms of processor time", output)
    yield Row("processor time of the last of 500 cells, over the first's", float(processor[1]) / float(processor[0]), 1.2)


def interrupts(output):
    found = re.search(r"^patchbay: median ([\d.]+) ms, worst ([\d.]+) ms", output, re.MULTILINE)
    yield Row("worst time to idle after an interrupt", float(found[2]) / 1000, 1.5, "s")


def protocol(output):
    for name, ours in re.findall(r"^\| ((?:complete|inspect)[^|]*) \| ([\d.]+) \(", output, re.MULTILINE):
        yield Row(name, float(ours), 20, "ms")
    for name, ratio in re.findall(r"^\| (kernel_info[^|]*) \|.*\| ([\d.]+) \|$", output, re.MULTILINE):
        yield Row(f"{name}, over ipykernel's", float(ratio), 1)


def dehaze(output):
    for line in output.splitlines():
        entry = json.loads(line)
        if "ratio" in entry:
            name = " ".join(str(entry[key]) for key in ("what", "guide", "size") if key in entry)
            yield Row(name, entry["ratio"]["median"], 1)


def data_loader(output):
    found = re.search(r"^time of an image, over PyTorch's DataLoader: ([\d.]+)", output, re.MULTILINE)
    yield Row("time of a loaded image, over PyTorch's DataLoader", float(found[1]), 0.667)


@dataclasses.dataclass
class Benchmark:
    needs: list[str]
    command: list[str]
    rows: typing.Callable[[str], typing.Iterable[Row]]


def script(name, *arguments):
    return [sys.executable, f"tests/bench/{name}.py", *arguments]


BENCHMARKS = {
    "latency": Benchmark(["jupyter_client", "ipykernel"], script("latency"), latency),
    "growth": Benchmark(["jupyter_client", "ipykernel"], script("growth"), growth),
    "many_cells": Benchmark(["jupyter_client"], script("many_cells"), many_cells),
    "interrupts": Benchmark(["jupyter_client", "ipykernel"], script("interrupts"), interrupts),
    "protocol": Benchmark(["jupyter_client", "ipykernel"], script("protocol"), protocol),
    "ops": Benchmark(["torch"], [EXAMPLES + "ops_benchmark"], lambda text: table(text, "ratio", "asked for")),
    "losses": Benchmark(["torch"], [EXAMPLES + "loss_benchmark"], lambda text: table(text, "ratio", 1.0)),
    "metrics": Benchmark(
        ["torch", "torchmetrics"], [EXAMPLES + "metrics_benchmark"], lambda text: table(text, "ratio", 1.0)
    ),
    "tide": Benchmark(["torch"], [EXAMPLES + "tide_benchmark"], lambda text: table(text, "ratio", 0.5)),
    "albef": Benchmark(["torch"], [EXAMPLES + "albef_benchmark"], lambda text: table(text, "ratio", 1.1)),
    "balancers": Benchmark(
        [], [EXAMPLES + "balancer_benchmark"], lambda text: table(text, "over equal, in backward passes of one loss", None)
    ),
    "data_loader": Benchmark(["torch", "torchvision", "PIL"], script("data_loader"), data_loader),
    "dehaze": Benchmark(["cv2", "numpy"], script("dehaze"), dehaze),
}


def missing(benchmark):
    return [module for module in benchmark.needs if importlib.util.find_spec(module) is None]


def main():
    names = sys.argv[1:] or list(BENCHMARKS)
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        sys.exit(f"no benchmark {', '.join(unknown)}: there are {', '.join(BENCHMARKS)}")
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n")
    print(f"{'benchmark':<12} {'what':<64} {'figure':>10} {'bar':>8}")
    failed = False
    for name in names:
        benchmark = BENCHMARKS[name]
        if absent := missing(benchmark):
            print(f"{name:<12} skipped: {', '.join(absent)} is not installed")
            continue
        done = subprocess.run(benchmark.command, cwd=REPOSITORY, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        if done.returncode:
            print(f"{name:<12} failed, exit status {done.returncode}: {' '.join(benchmark.command)}\n{done.stdout}{done.stderr}")
            failed = True
            continue
        rows = list(benchmark.rows(done.stdout))
        if not rows:
            print(f"{name:<12} printed no figure that is known here:\n{done.stdout}")
            failed = True
        for row in rows:
            bar = "" if row.bar is None else f"{row.bar:g} {row.unit}"
            missed = "" if row.is_met() else "  missed"
            print(f"{name:<12} {row.name:<64} {row.figure:>7.2f} {row.unit:<2} {bar:>8}{missed}", flush=True)
            failed |= not row.is_met()
    sys.exit(failed)


if __name__ == "__main__":
    main()
