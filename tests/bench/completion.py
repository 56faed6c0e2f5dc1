"""How long completion takes, and what it costs the cells: Patchbay beside evcxr_jupyter, in one run.

Usage: target/venv/bin/python tests/bench/completion.py [--rounds 20] [--index] [--evcxr-jupyter PROGRAM]

Patchbay is target/release/patchbay with its side process (patchbay install --completion). With --index it is measured alone,
without the side process. Without
--evcxr-jupyter, a program of that name on the PATH is the peer.
"""

import argparse
import json
import os
import pathlib
import platform
import re
import shutil
import statistics
import subprocess
import tempfile
import time

import jupyter_client

REPOSITORY = pathlib.Path(__file__).parents[2]
PATCHBAY = REPOSITORY / "target/release/patchbay"


class Kernel:
    """A kernel process with its client."""

    def __init__(self, name, **environment):
        self.start = time.perf_counter()
        self.manager = jupyter_client.KernelManager(kernel_name=name)
        self.manager.start_kernel(env={**os.environ, **environment})
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=120)
        self.ready_s = time.perf_counter() - self.start

    def run(self, code):
        """Runs a cell; returns seconds until its reply."""
        begin = time.perf_counter()
        message_id = self.client.execute(code)
        reply = self.reply(message_id)
        if reply["status"] != "ok":
            raise RuntimeError(f"{code!r}: {reply}")
        return time.perf_counter() - begin

    def complete(self, code):
        """Completes at the end of a text; returns seconds and the matches."""
        begin = time.perf_counter()
        reply = self.reply(self.client.complete(code, len(code)))
        return time.perf_counter() - begin, reply["matches"]

    def inspect(self, code):
        """Inspects at the end of a text; returns seconds and the text."""
        begin = time.perf_counter()
        reply = self.reply(self.client.inspect(code, len(code)))
        return time.perf_counter() - begin, reply["data"].get("text/plain", "")

    def reply(self, message_id):
        while True:
            message = self.client.get_shell_msg(timeout=300)
            if message["parent_header"].get("msg_id") == message_id:
                return message["content"]

    def until(self, code, word):
        """Seconds from the kernel's start until a completion has this word in it."""
        while True:
            _, matches = self.complete(code)
            if any(re.match(rf"{word}\b", match) for match in matches):
                return time.perf_counter() - self.start
            if time.perf_counter() - self.start > 120:
                raise RuntimeError(f"{code!r} is never completed by {word}: {matches[:20]}")
            time.sleep(0.05)

    def side_process_mb(self):
        """Resident memory of the side process; None where there is none."""
        for folder in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                status = (folder / "status").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            parent = int(re.search(r"PPid:\s+(\d+)", status).group(1))
            # A process that is about to end has no memory any more.
            resident = re.search(r"VmRSS:\s+(\d+)", status)
            if parent == self.manager.provisioner.pid and "patchbay-evcxr" in status and resident:
                return int(resident.group(1)) / 1024
        return None

    def stop(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


def register(prefix, peer):
    """Registers the kernels under a folder of their own."""
    subprocess.run([PATCHBAY, "install", "--prefix", prefix], check=True, stdout=subprocess.DEVNULL)
    if peer:
        folder = pathlib.Path(prefix) / "share/jupyter/kernels/evcxr_peer"
        folder.mkdir()
        spec = {
            "argv": [peer, "--control_file", "{connection_file}"],
            "display_name": "evcxr_jupyter",
            "language": "rust",
        }
        (folder / "kernel.json").write_text(json.dumps(spec))
    os.environ["JUPYTER_PATH"] = f"{prefix}/share/jupyter"


def milliseconds(values):
    return f"{1000 * statistics.median(values):.0f} ms (most {1000 * max(values):.0f})"


def warm(kernel, rounds, text):
    """Times of completions whose texts are all different."""
    times = []
    for number in range(rounds):
        seconds, matches = kernel.complete(text.format(number=number))
        assert any(match.startswith("matmul") or match.startswith("push") for match in matches), matches[:20]
        times.append(seconds)
    return times


def notebook_cell(number):
    """The cells of a notebook: functions, types, variables."""
    kinds = [
        f"/// Scales by {number}.\nfn scale_{number}(x: &Tensor) -> Result<Tensor> {{ x * {number}.5 }}",
        f"#[derive(Debug, Clone)] struct Record{number} {{ name: String, values: Vec<f64> }}",
        f"let values_{number}: Vec<f64> = (0..{number + 3}).map(|n| n as f64).collect();",
        f"let tensor_{number} = Tensor::ones(({number + 1}, 4), DType::F32, &Device::Cpu)?;",
    ]
    return kinds[number % len(kinds)]


def measure_starts(names, turns=5):
    """From the start of the process to its first answer, and to the methods of a list; kernels in turn."""
    ready = {name: [] for name in names}
    first = {name: [] for name in names}
    for _ in range(turns):
        for name in names:
            kernel = Kernel(name)
            ready[name].append(kernel.ready_s)
            first[name].append(kernel.until("let v = vec![1]; v.", "push"))
            kernel.stop()
    seconds = lambda values: f"{statistics.median(values):.2f} s (most {max(values):.2f})"
    return {
        name: {
            "start of the kernel": seconds(ready[name]),
            "start to a list's methods": seconds(first[name]),
        }
        for name in names
    }


def measure_patchbay(rounds):
    rows = {}
    kernel = Kernel("patchbay")
    kernel.until("let v = vec![1]; v.", "push")
    kernel.run("let t = Tensor::ones((2, 3), DType::F32, &Device::Cpu)?; let v = vec![1];")
    rows["methods of a list"] = milliseconds(warm(kernel, rounds, "let a{number} = 1; v."))
    rows["methods of a tensor"] = milliseconds(warm(kernel, rounds, "let a{number} = 1; t."))
    rows["the same, of an expression"] = milliseconds(warm(kernel, rounds, "let a{number} = 1; t.relu()?.t()?."))
    times = []
    for number in range(rounds):
        seconds, text = kernel.inspect(f"let a{number} = 1; t.matmul")
        assert "fn matmul" in text, text
        times.append(seconds)
    rows["inspection of a method"] = milliseconds(times)
    for number in range(100):
        kernel.run(notebook_cell(number))
    first, _ = kernel.complete("tensor_3.")
    rows["tensor, after 100 cells, the first"] = f"{1000 * first:.0f} ms"
    rows["tensor, after 100 cells"] = milliseconds(warm(kernel, rounds, "let a{number} = 1; tensor_3."))
    rows["memory of the analyzer"] = f"{kernel.side_process_mb():.0f} MB"
    kernel.stop()
    return rows


def measure_index(rounds):
    """The index alone, as after the first build: a tensor's methods."""
    kernel = Kernel("patchbay", PATCHBAY_COMPLETION="off")
    kernel.run("let t = Tensor::ones((2, 3), DType::F32, &Device::Cpu)?;")
    _, methods = kernel.complete("t.")
    rows = {
        "a tensor's methods": str(len(methods)),
        "methods of a tensor": milliseconds(warm(kernel, rounds, "let a{number} = 1; t.")),
        "the same, of an expression": milliseconds(warm(kernel, rounds, "let a{number} = 1; t.relu()?.t()?.")),
    }
    for number in range(100):
        kernel.run(notebook_cell(number))
    rows["tensor, after 100 cells"] = milliseconds(warm(kernel, rounds, "let a{number} = 1; tensor_3."))
    kernel.stop()
    return rows


def measure_peer(rounds):
    rows = {}
    kernel = Kernel("evcxr_peer")
    kernel.until("let v = vec![1]; v.", "push")
    kernel.run("let v = vec![1];")
    rows["methods of a list"] = milliseconds(warm(kernel, rounds, "let a{number} = 1; v."))
    kernel.stop()
    return rows


def cell(number):
    return f"let total_{number} = Tensor::arange(0f32, {number + 12}.0, &Device::Cpu)?.sum_all()?;"


def cells_while(setting, rounds, first):
    """Times of cells from the second second of a kernel on, with this setting of completion."""
    with tempfile.TemporaryDirectory() as cache:
        kernel = Kernel("patchbay", PATCHBAY_COMPLETION=setting, PATCHBAY_CACHE_DIR=cache)
        kernel.run("1")
        time.sleep(1.5)
        times = [kernel.run(cell(first + number)) for number in range(rounds)]
        kernel.stop()
    return times


def measure_cost(rounds):
    """Cells while rust-analyzer starts, beside cells without it; kernels in turn."""
    without, warming = [], []
    for turn in range(4):
        without += cells_while("off", rounds, 100 * turn)
        warming += cells_while("900", rounds, 100 * turn)
    ratio = statistics.median(warming) / statistics.median(without)
    return (
        f"cell without: {milliseconds(without)}\ncell while rust-analyzer starts: {milliseconds(warming)}\n"
        f"ratio of the medians: {ratio:.2f}"
    )


def measure_release():
    """Whether the memory is freed when nobody asks, and given again."""
    kernel = Kernel("patchbay", PATCHBAY_COMPLETION="3")
    kernel.until("let v = vec![1]; v.", "push")
    held = kernel.side_process_mb()
    begin = time.perf_counter()
    while kernel.side_process_mb() is not None:
        time.sleep(0.2)
    freed = time.perf_counter() - begin
    seconds, _ = kernel.complete("let v = vec![1]; v.")
    kernel.stop()
    return f"{held:.0f} MB were freed {freed:.1f} s after the last question (set to 3); the next one took {seconds:.1f} s"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--evcxr-jupyter", default=shutil.which("evcxr_jupyter"))
    parser.add_argument("--index", action="store_true", help="without rust-analyzer, as after the first build")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as prefix:
        register(prefix, arguments.evcxr_jupyter)
        if arguments.index:
            for name, value in measure_index(arguments.rounds).items():
                print(f"{name}: {value}")
            return
        names = ["patchbay"] + (["evcxr_peer"] if arguments.evcxr_jupyter else [])
        starts = measure_starts(names)
        columns = {"patchbay": starts["patchbay"] | measure_patchbay(arguments.rounds)}
        if arguments.evcxr_jupyter:
            columns["evcxr_jupyter"] = starts["evcxr_peer"] | measure_peer(arguments.rounds)
        cost = measure_cost(arguments.rounds)
        release = measure_release()
    print(f"{os.cpu_count()} cores, {platform.platform()}; medians of {arguments.rounds}\n")
    print("| what | " + " | ".join(columns) + " |")
    print("|---" * (len(columns) + 1) + "|")
    for name in columns["patchbay"]:
        print(f"| {name} | " + " | ".join(column.get(name, "-") for column in columns.values()) + " |")
    print(f"\n{cost}\n\n{release}")


if __name__ == "__main__":
    main()
