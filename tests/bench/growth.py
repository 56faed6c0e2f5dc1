"""What a notebook's length costs, and what is gained by cache and pipeline; ipykernel beside it, in one run.

Usage: target/venv/bin/python tests/bench/growth.py
"""

import os
import statistics
import tempfile
import time

from latency import Kernel, REPOSITORY, median_ms

import nbformat


def growth():
    """A cell after 10 cells, and after 150 items and 100 variables."""
    kernel = Kernel("patchbay")

    def definitions(first, last):
        for number in range(first, last):
            if number % 5 < 3:
                kernel.run(
                    f"#[derive(Debug, Clone)] struct Item{number} {{ value: f64 }}\n"
                    f"impl Item{number} {{ fn scaled(&self, by: f64) -> f64 {{ self.value * by }} }}"
                )
            else:
                kernel.run(f"let variable{number} = vec![{number}.0f64; 3];")

    def probe(number):
        return kernel.run(f"let probe = Item0 {{ value: {number}.5 }}.scaled(variable3[0]); probe")[0]

    definitions(0, 10)
    early = statistics.median(probe(number) for number in range(15))
    definitions(10, 250)
    late = statistics.median(probe(number) for number in range(100, 115))
    kernel.stop()
    return early, late


def pipeline():
    """Run All of 20 uncached cells that each run 0.5 s: all sent at once."""
    kernel = Kernel("patchbay")
    kernel.run("1")
    code = [
        f"let total{number} = Tensor::arange(0f32, {number + 3}.0, &Device::Cpu)?.sum_all()?.to_scalar::<f32>()?; "
        f"std::thread::sleep(std::time::Duration::from_millis(500)); total{number}"
        for number in range(20)
    ]
    begin = time.perf_counter()
    requests = {kernel.client.execute(cell) for cell in code}
    while requests:
        message = kernel.client.get_iopub_msg(timeout=120)
        if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
            requests.discard(message["parent_header"]["msg_id"])
    seconds = time.perf_counter() - begin
    kernel.stop()
    return seconds


def cached_notebook():
    """A notebook of 40 cells, run twice; the round trips of the second time."""
    cells = []
    for number in range(20):
        cells.append(f"let tensor{number} = Tensor::arange(0f32, {number + 4}.0, &Device::Cpu)?;")
        cells.append(f"tensor{number}.sqr()?.sum_all()?")
    times = []
    for _ in range(2):
        kernel = Kernel("patchbay")
        times = [kernel.run(cell)[0] for cell in cells]
        kernel.stop()
    kernel = Kernel("python3")
    python = []
    for number in range(20):
        python.append(kernel.run(f"list{number} = [float(value) for value in range({number + 4})]")[0])
        python.append(kernel.run(f"sum(value * value for value in list{number})")[0])
    kernel.stop()
    return times, python


def restart_and_run_all():
    """The quickstart, cached, from the start of the kernel; and the cell that trains."""
    notebook = nbformat.read(REPOSITORY / "notebooks/quickstart.ipynb", as_version=4)
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    folder = os.getcwd()
    os.chdir(REPOSITORY / "notebooks")
    for _ in range(2):
        begin = time.perf_counter()
        kernel = Kernel("patchbay")
        training = 0.0
        for code in cells:
            seconds, _ = kernel.run(code)
            if "LivePlot" in code:
                training = seconds
        total = time.perf_counter() - begin
        kernel.stop()
    os.chdir(folder)
    return total, training


def main():
    with tempfile.TemporaryDirectory() as cache:
        os.environ["PATCHBAY_CACHE_DIR"] = cache
        patchbay, python = cached_notebook()
        total, training = restart_and_run_all()
        early, late = growth()
        seconds = pipeline()
    print(f"{os.cpu_count()} cores\n")
    print("| what | patchbay | ipykernel |")
    print("|---|---|---|")
    print(f"| cached cell, median of a 40-cell notebook | {median_ms(patchbay)} | {median_ms(python)} |")
    print(f"| restart and run all of the quickstart, cached, less the training | {total - training:.2f} s | - |")
    print(f"| 20 uncached cells of 0.5 s each, sent at once (10 s of running) | {seconds:.2f} s | - |")
    print(f"| a cell after 10 definitions | {1000 * early:.0f} ms | - |")
    print(f"| the same after 150 items and 100 variables | {1000 * late:.0f} ms ({late / early:.2f} x) | - |")


if __name__ == "__main__":
    main()
