"""How long cells take: Patchbay beside ipykernel (and evcxr_jupyter where it is installed), in one run.

Usage: target/venv/bin/python tests/bench/latency.py [--rounds 20]
"""

import argparse
import atexit
import json
import os
import pathlib
import platform
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import jupyter_client
from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

REPOSITORY = pathlib.Path(__file__).parents[2]


# A benchmark that is told to end does so by way of what is to be done at the end.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
signal.signal(signal.SIGHUP, lambda *_: sys.exit(1))


class Kernel:
    """A kernel process with its client. It ends with the benchmark, however that ends."""

    def __init__(self, name):
        self.start = time.perf_counter()
        self.manager = jupyter_client.KernelManager(kernel_name=name)
        atexit.register(self.kill)
        self.manager.start_kernel()
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=120)
        self.ready_s = time.perf_counter() - self.start

    def run(self, code):
        """Runs a cell; returns seconds until it is idle, and its outputs."""
        begin = time.perf_counter()
        message_id = self.client.execute(code)
        outputs = []
        while True:
            message = self.client.get_iopub_msg(timeout=600)
            if message["parent_header"].get("msg_id") != message_id:
                continue
            if message["msg_type"] == "status":
                if message["content"]["execution_state"] == "idle":
                    break
            elif message["msg_type"] != "execute_input":
                outputs.append(message)
        seconds = time.perf_counter() - begin
        reply = self.client.get_shell_msg(timeout=60)
        if reply["content"]["status"] != "ok":
            raise RuntimeError(f"{code!r}: {reply['content']}")
        return seconds, outputs

    def resident_mb(self):
        """Resident memory of the process and its children."""
        parents = {}
        for folder in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                status = (folder / "status").read_text()
                parents[int(folder.name)] = int(re.search(r"PPid:\s+(\d+)", status).group(1))
            except (FileNotFoundError, ProcessLookupError):
                pass
        family = {self.manager.provisioner.pid}
        while True:
            children = {pid for pid, parent in parents.items() if parent in family} - family
            if not children:
                break
            family |= children
        total = 0
        for pid in family:
            status = pathlib.Path(f"/proc/{pid}/status").read_text()
            total += int(re.search(r"VmRSS:\s+(\d+)", status).group(1))
        return total / 1024

    def stop(self):
        self.client.stop_channels()
        self.kill()
        atexit.unregister(self.kill)

    def kill(self):
        if self.manager.has_kernel:
            self.manager.shutdown_kernel(now=True)


def straight_line_cell(number):
    """A cell without loops, different for every number."""
    return (
        f"Tensor::arange(0f32, {number + 12}.0, &Device::Cpu)?.reshape((1, {number + 12}))?"
        f".matmul(&Tensor::ones(({number + 12}, 2), DType::F32, &Device::Cpu)?)?.sum_all()?.to_scalar::<f32>()?;"
    )


def expression_cell(number):
    return straight_line_cell(number)[:-1]


def defining_cell(number):
    return "let total = " + straight_line_cell(number)


def snapshot():
    """The prefix of the SDK that the kernel uses."""
    spec = KernelSpecManager().get_kernel_spec("patchbay")
    return pathlib.Path(spec.argv[0]).parents[1]


def bare_rustc(code, prefix):
    """Seconds that rustc takes for the same program as a library of its own."""
    record = json.loads((prefix / "sdk.json").read_text())
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder) / "bare.rs"
        source.write_text(
            "use patchbay::prelude::*;\n#[unsafe(no_mangle)]\npub fn bare() -> Result<()> {\n" + code + "\nOk(())\n}\n"
        )
        begin = time.perf_counter()
        subprocess.run(
            [
                record["rustc"]["path"], "--edition=2024", "--crate-type=cdylib", "-Cprefer-dynamic", "-Cdebuginfo=0",
                f"--extern=patchbay={prefix}/lib/libpatchbay.so", f"-Ldependency={prefix}/deps",
                "-o", f"{folder}/libbare.so", str(source),
            ],
            check=True,
        )
        return time.perf_counter() - begin


def median_ms(values):
    return f"{1000 * statistics.median(values):.1f} ms"


def measure_patchbay(rounds):
    rows = {}
    with tempfile.TemporaryDirectory() as cache:
        os.environ["PATCHBAY_CACHE_DIR"] = cache
        kernel = Kernel("patchbay")
        rows["start to kernel_info reply"] = f"{kernel.ready_s:.2f} s"
        kernel.run("Tensor::arange(0f32, 12., &Device::Cpu)?.reshape((3, 4))?")
        rows["start to first tensor printed"] = f"{time.perf_counter() - kernel.start:.2f} s"
        rows["resident memory, idle"] = f"{kernel.resident_mb():.0f} MB"
        prefix = snapshot()
        bare, plain, shown, defining = [], [], [], []
        for number in range(rounds):
            # One of each in turn, so that all see the same load of the machine.
            bare.append(bare_rustc(straight_line_cell(number), prefix))
            plain.append(kernel.run(straight_line_cell(number))[0])
            shown.append(kernel.run(expression_cell(number))[0])
            defining.append(kernel.run(defining_cell(number))[0])
        for name, values in [
            ("tensor cell, nothing cached", plain),
            ("the same, ending in an expression", shown),
            ("the same, defining a variable", defining),
        ]:
            ratio = statistics.median(values) / statistics.median(bare)
            rows[name] = f"{median_ms(values)} ({ratio:.2f} x bare rustc's {median_ms(bare)})"
        cached = [kernel.run(expression_cell(number))[0] for number in range(rounds)]
        rows["the same, cached"] = median_ms(cached)
        seconds, outputs = kernel.run('for i in 0..20_000 { println!("line {i}"); }')
        text = "".join(output["content"]["text"] for output in outputs)
        assert text == "".join(f"line {i}\n" for i in range(20_000)), "all lines, in order"
        rows["20,000 printed lines"] = f"{len(outputs)} messages, {seconds:.2f} s"
        kernel.stop()
        del os.environ["PATCHBAY_CACHE_DIR"]
    return rows


def measure_ipykernel(rounds):
    rows = {}
    kernel = Kernel("python3")
    rows["start to kernel_info reply"] = f"{kernel.ready_s:.2f} s"
    try:
        kernel.run("import torch\ntorch.arange(12.).reshape(3, 4)")
        rows["start to first tensor printed"] = f"{time.perf_counter() - kernel.start:.2f} s"
    except RuntimeError:
        rows["start to first tensor printed"] = "torch is not installed"
    rows["resident memory, idle"] = f"{kernel.resident_mb():.0f} MB"
    cells = [kernel.run(f"{number} + 1")[0] for number in range(rounds)]
    rows["the same, cached"] = f"{median_ms(cells)} (1 + 1)"
    seconds, outputs = kernel.run("for i in range(20_000): print('line', i)")
    rows["20,000 printed lines"] = f"{len(outputs)} messages, {seconds:.2f} s"
    kernel.stop()
    return rows


def measure_evcxr(rounds):
    rows = {}
    kernel = Kernel("rust")
    rows["start to kernel_info reply"] = f"{kernel.ready_s:.2f} s"
    rows["resident memory, idle"] = f"{kernel.resident_mb():.0f} MB"
    cells = [kernel.run(f"{number} + 1")[0] for number in range(rounds)]
    rows["the same, ending in an expression"] = f"{median_ms(cells)} (1 + 1)"
    seconds, outputs = kernel.run('for i in 0..20_000 { println!("line {i}"); }')
    rows["20,000 printed lines"] = f"{len(outputs)} messages, {seconds:.2f} s"
    kernel.stop()
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    arguments = parser.parse_args()
    columns = {"patchbay": measure_patchbay(arguments.rounds), "ipykernel": measure_ipykernel(arguments.rounds)}
    try:
        KernelSpecManager().get_kernel_spec("rust")
        columns["evcxr_jupyter"] = measure_evcxr(arguments.rounds)
    except NoSuchKernel:
        pass
    names = list(columns["patchbay"])
    rustc = json.loads((snapshot() / "sdk.json").read_text())["sdk"]["compiler"]
    print(f"{os.cpu_count()} cores, {platform.platform()}, {rustc}, Python {sys.version.split()[0]}")
    print(f"medians of {arguments.rounds}; times include the client's own\n")
    print("| what | " + " | ".join(columns) + " |")
    print("|---" * (len(columns) + 1) + "|")
    for name in names:
        print(f"| {name} | " + " | ".join(column.get(name, "-") for column in columns.values()) + " |")


if __name__ == "__main__":
    main()
