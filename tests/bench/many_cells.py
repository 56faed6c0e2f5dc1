"""Run All of many cells: cached ones sent at once beside one by one, and whether cells get slower as a session grows.

Usage: target/venv/bin/python tests/bench/many_cells.py [--cells 300] [--distinct 500] [--check]

With --check it fails where 300 cached cells that are sent at once take more than 2 s, or where the last of the distinct
cells take a fifth more processor time (of the kernel, its runtime and compilers) than the first.
"""

import argparse
import os
import pathlib
import statistics
import sys
import tempfile
import time

from latency import Kernel


def send_all(kernel, cells):
    """Seconds from the first request to the last idle, all cells sent at once."""
    begin = time.perf_counter()
    requests = {kernel.client.execute(cell) for cell in cells}
    while requests:
        message = kernel.client.get_iopub_msg(timeout=300)
        if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
            requests.discard(message["parent_header"]["msg_id"])
    return time.perf_counter() - begin


def cached(count):
    """Run All of so many cells that were compiled before, in a new kernel; and the same one by one."""
    cells = [f"let value{number} = {number} + 1;" for number in range(count)]
    kernel = Kernel("patchbay")
    send_all(kernel, cells)
    kernel.stop()
    kernel = Kernel("patchbay")
    at_once = send_all(kernel, cells)
    kernel.stop()
    kernel = Kernel("patchbay")
    begin = time.perf_counter()
    for cell in cells:
        kernel.run(cell)
    one_by_one = time.perf_counter() - begin
    kernel.stop()
    return at_once, one_by_one


def processor_ms(kernel):
    """Milliseconds of processor time that the kernel, what it has started and what of it has ended have taken so far."""
    total = 0
    host = kernel.manager.provisioner.pid
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(folder.name) == host or int(fields[1]) == host:
            total += sum(map(int, fields[11:15]))
    return total * 1000 / os.sysconf("SC_CLK_TCK")


def distinct(count):
    """Milliseconds of the first and the last cells of a long session, none of them cached: of processor time, and by phase."""
    kernel = Kernel("patchbay")
    tenth = max(count // 10, 10)
    windows = [range(10, 10 + tenth), range(count - tenth, count)]
    times, processor = [], []
    for number in range(count):
        if any(number == window.start for window in windows):
            processor.append(-processor_ms(kernel))
        start = time.perf_counter()
        message_id = kernel.client.execute(f"let distinct{number} = vec![{number}u64; 3];")
        while True:
            reply = kernel.client.get_shell_msg(timeout=300)
            if reply["parent_header"].get("msg_id") == message_id:
                break
        phases = reply["metadata"]["patchbay"]
        times.append(((time.perf_counter() - start) * 1000, phases["compile_ms"], phases["load_ms"]))
        if any(number == window.stop - 1 for window in windows):
            processor[-1] = (processor[-1] + processor_ms(kernel)) / tenth
    kernel.stop()
    median = lambda rows: [statistics.median(column) for column in zip(*rows)]
    return [(taken, *median(times[window.start : window.stop])) for taken, window in zip(processor, windows)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=300)
    parser.add_argument("--distinct", type=int, default=500)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    failed = False
    with tempfile.TemporaryDirectory() as cache:
        os.environ["PATCHBAY_CACHE_DIR"] = cache
        for count in sorted({arguments.cells // 3, arguments.cells}):
            at_once, one_by_one = cached(count)
            print(f"{count} cached cells: {at_once:.2f} s sent at once, {one_by_one:.2f} s one by one", flush=True)
        failed |= at_once > 2 * arguments.cells / 300
        if arguments.distinct:
            first, last = distinct(arguments.distinct)
            for when, (processor, whole, compile_ms, load_ms) in (("first", first), ("last", last)):
                print(
                    f"{arguments.distinct} distinct cells, the {when}: {whole:.0f} ms each, of it {compile_ms:.0f} to compile, "
                    f"{load_ms:.1f} to load; {processor:.0f} ms of processor time",
                    flush=True,
                )
            failed |= last[0] > 1.2 * first[0]
    sys.exit(1 if failed and arguments.check else 0)


if __name__ == "__main__":
    main()
