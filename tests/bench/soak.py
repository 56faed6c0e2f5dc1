"""A random client for a long time: Patchbay beside ipykernel, in one run.

Usage: target/venv/bin/python tests/bench/soak.py [--minutes 30] [--seed 1] [--check]

Each client draws what it does from the seed: it defines, redefines, plots, swaps components, fails, interrupts cells that
compute or block, sends bursts of cells of which one may fail, talks over comms (to handlers that hang, too), starts processes,
asks for completion while a cell runs, and restarts the kernel.

`lost` are requests without a reply or an idle, and comm messages without an answer; `disorder` are cells whose outputs were not
the expected ones in the expected order. All cells print numbers, which makes that known. `growth` is how much more memory the
kernel's processes have at the end of the last life than after its first hundred steps: the kernel is restarted in the first
third of the time only. `left` are processes of the kernel, or started by cells, that are there after it was shut down.

Bounds: nothing lost, nothing in disorder, 20 MB of growth, nothing left. With --check the exit status is 1 where Patchbay misses
one.
"""

import argparse
import atexit
import collections
import concurrent.futures
import multiprocessing
import os
import pathlib
import queue
import random
import re
import signal
import statistics
import sys
import time
import uuid

import jupyter_client

GROWTH_MB = 20

# A message that has not come after this time is lost.
PATIENCE_S = 120

MARK = "PATCHBAY_SOAK"

STEPS_BEFORE_BASE = 100

# What a step does, and how often.
WEIGHTS = {
    "define": 20,
    "redefine": 12,
    "show": 12,
    "plot": 8,
    "swap": 6,
    "fail": 10,
    "interrupt": 6,
    "burst": 8,
    "comm": 10,
    "hang": 2,
    "spawn": 1,
    "ask": 6,
}

SETUP = {
    "patchbay": [
        "use patchbay::comm;\n"
        'comm::register_target("echo", |comm, _| {\n'
        "    let same = comm.clone();\n"
        "    comm.on_message(move |message| same.send(message.data.clone()));\n"
        "});\n"
        'comm::register_target("hang", |comm, _| comm.on_message(|_| { println!("[[hung]]"); std::thread::park(); }));',
        'let loss = create::<dyn Loss>("loss/mse", json!({}))?;\n'
        "let ones = Tensor::ones((4, 3), DType::F32, &Device::Cpu)?; let zeros = ones.zeros_like()?;",
        "let mut steps = 0u64; let values = vec![1.0f64, 3.0, 2.0];",
    ],
    "python3": [
        "import os, threading, time, subprocess\n"
        "from IPython.display import HTML, SVG, display\n"
        "def echo(comm, _): comm.on_msg(lambda message: comm.send(message['content']['data']))\n"
        "def hang(comm, _):\n"
        "    def wait(_):\n"
        "        print('[[hung]]', flush=True)\n"
        "        threading.Event().wait()\n"
        "    comm.on_msg(wait)\n"
        "get_ipython().kernel.comm_manager.register_target('echo', echo)\n"
        "get_ipython().kernel.comm_manager.register_target('hang', hang)",
        "loss = lambda a, b: sum((x - y) ** 2 for x, y in zip(a, b))\nones, zeros = [1.0] * 12, [0.0] * 12",
        "steps = 0; values = [1.0, 3.0, 2.0]",
    ],
}

# Cells with the tokens that they show, by kind; {n} is one of a few numbers, so that texts come again.
CELLS = {
    "patchbay": {
        "define": [
            ("let value{n} = vec![{n}u64; 1000]; println!(\"[[0]]\"); println!(\"[[{n}]]\");", "0 {n}"),
            ("fn f{n}(x: f64) -> f64 {{ x + {n}.0 }}\nprintln!(\"[[{{}}]]\", f{n}(0.0) as u64);", "{n}"),
            ("steps += 1; println!(\"[[0]]\"); let text{n} = format!(\"{{}}\", {n}); println!(\"[[{{text{n}}}]]\");", "0 {n}"),
        ],
        "redefine": [
            ("#[derive(Debug, Clone)] struct S {{ a: [u8; {n}] }}\nlet s = S {{ a: [7; {n}] }}; println!(\"[[{{}}]]\", s.a.len());", "{n}"),
            ("fn g() -> u64 {{ {n} }}\nprintln!(\"[[{{}}]]\", g());", "{n}"),
        ],
        "show": [
            ("println!(\"[[0]]\"); display(&html(\"[[1]]\")); println!(\"[[2]]\"); html(\"[[3]]\")", "0 1 2 3"),
            ("for i in 0..{n} {{ println!(\"[[{{i}}]]\"); display(&html(&format!(\"[[{{i}}]]\"))); }}", "pairs"),
        ],
        "plot": [
            ("println!(\"[[0]]\"); display(&plot::lines().title(\"[[1]]\").series(\"a\", values.clone()).draw()?); println!(\"[[2]]\");", "0 1 2"),
        ],
        "swap": [
            ("let _ = loss.swap(\"loss/mae\", json!({{}}))?; println!(\"[[{{}}]]\", loss.forward(&ones, &zeros)?.to_scalar::<f32>()? as u64);", "1"),
            ("let _ = loss.swap(\"loss/mse\", json!({{}}))?; println!(\"[[{{}}]]\", loss.forward(&zeros, &zeros)?.to_scalar::<f32>()? as u64);", "0"),
        ],
        "fail": [
            ("println!(\"[[0]]\"); panic!(\"[[1]]\");", "0 1"),
            ("let x: u8 = \"[[{n}]]\";", None),
            ("println!(\"[[0]]\"); Err(std::io::Error::other(\"[[1]]\"))?;", "0 1"),
            ("println!(\"[[0]]\"); [1, 2][values.len()];", None),
        ],
        "interrupt": [
            ("println!(\"[[0]]\"); loop {{ std::thread::sleep(std::time::Duration::from_millis(1)); steps += 1; }}", "0"),
            ("println!(\"[[0]]\"); std::thread::sleep(std::time::Duration::from_secs(3600));", "0"),
            ("println!(\"[[0]]\"); let (_s, r) = std::sync::mpsc::channel::<u8>(); r.recv()?;", "0"),
            ("println!(\"[[0]]\"); (0..u64::MAX).for_each(|n| {{ std::hint::black_box(n); }});", "0"),
            ("println!(\"[[0]]\"); std::process::Command::new(\"sleep\").arg(\"3600\").status()?;", "0"),
        ],
        "spawn": [("std::mem::forget(std::process::Command::new(\"sleep\").arg(\"7200\").spawn()?); println!(\"[[0]]\");", "0")],
        "run": [("println!(\"[[0]]\"); std::thread::sleep(std::time::Duration::from_millis(300)); println!(\"[[1]]\");", "0 1")],
    },
    "python3": {
        "define": [
            ("value{n} = [{n}] * 1000; print('[[0]]'); print('[[{n}]]')", "0 {n}"),
            ("def f{n}(x): return x + {n}\nprint(f'[[{{f{n}(0)}}]]')", "{n}"),
        ],
        "redefine": [
            ("class S: a = [7] * {n}\ns = S(); print(f'[[{{len(s.a)}}]]')", "{n}"),
            ("def g(): return {n}\nprint(f'[[{{g()}}]]')", "{n}"),
        ],
        "show": [
            ("print('[[0]]'); display(HTML('[[1]]')); print('[[2]]')\nHTML('[[3]]')", "0 1 2 3"),
            ("for i in range({n}):\n    print(f'[[{{i}}]]'); display(HTML(f'[[{{i}}]]'))", "pairs"),
        ],
        "plot": [("print('[[0]]'); display(SVG('<svg xmlns=\"http://www.w3.org/2000/svg\"><text>[[1]]</text></svg>')); print('[[2]]')", "0 1 2")],
        "swap": [
            ("loss = lambda a, b: 1\nprint(f'[[{{loss(ones, zeros)}}]]')", "1"),
            ("loss = lambda a, b: 0\nprint(f'[[{{loss(ones, zeros)}}]]')", "0"),
        ],
        "fail": [
            ("print('[[0]]')\nraise ValueError('[[1]]')", "0 1"),
            ("print('[[0]]'", None),
            ("print('[[0]]'); values[7]", None),
        ],
        "interrupt": [
            ("print('[[0]]', flush=True)\nwhile True: time.sleep(0.001)", "0"),
            ("print('[[0]]', flush=True)\ntime.sleep(3600)", "0"),
            ("print('[[0]]', flush=True)\nthreading.Event().wait()", "0"),
            ("print('[[0]]', flush=True)\nsubprocess.run(['sleep', '3600'])", "0"),
        ],
        "spawn": [("child = subprocess.Popen(['sleep', '7200']); print('[[0]]')", "0")],
        "run": [("print('[[0]]', flush=True); time.sleep(0.3); print('[[1]]')", "0 1")],
    },
}


def tokens(message):
    """The numbers that an output shows."""
    content = message["content"]
    if message["msg_type"] == "stream":
        text = content["text"] if content["name"] == "stdout" else ""
    elif message["msg_type"] in ("display_data", "execute_result"):
        # A picture has its text more than once, as title and description.
        text = "".join(dict.fromkeys(re.findall(r"\[\[\w+\]\]", str(content["data"]))))
    elif message["msg_type"] == "error":
        text = content["evalue"]
    else:
        text = ""
    return re.findall(r"\[\[(\w+)\]\]", text)


class Soak:
    """One kernel and its random client."""

    def __init__(self, name, seed, minutes):
        self.name = name
        self.random = random.Random(seed)
        self.seconds = 60 * minutes
        self.mark = uuid.uuid4().hex
        self.counts = collections.Counter()
        self.lost, self.disorder = [], []
        self.samples = []
        self.manager = jupyter_client.KernelManager(kernel_name=name)
        self.client = None
        atexit.register(self.kill)
        self.start(first=True)

    # --- the kernel ---

    def start(self, first=False):
        if first:
            self.manager.start_kernel(env=dict(os.environ, **{MARK: self.mark}))
        else:
            self.client.stop_channels()
            self.manager.restart_kernel(now=self.random.random() < 0.5)
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=PATIENCE_S)
        self.samples = []
        for code in SETUP[self.name]:
            self.cell(code, None)

    def kill(self):
        if self.manager.has_kernel:
            self.manager.shutdown_kernel(now=True)
        for process in self.processes():
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def processes(self):
        """The processes that have the mark in their environment: the kernel's, and what cells have started."""
        found = []
        for folder in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if f"{MARK}={self.mark}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                pass
        return found

    def memory(self):
        """Megabytes of the host and of the runtime; of ipykernel all is the first."""
        host = self.manager.provisioner.pid
        total = {"host": 0, "runtime": 0}
        for process in self.processes():
            try:
                name = pathlib.Path(f"/proc/{process}/comm").read_text()
                status = pathlib.Path(f"/proc/{process}/status").read_text()
                # Pages of files come and go with what else the machine does.
                resident = int(re.search(r"RssAnon:\s+(\d+)", status).group(1)) / 1024
            except (FileNotFoundError, ProcessLookupError, AttributeError):
                continue
            if process == host:
                total["host"] += resident
            elif name.startswith("patchbay-runt"):
                total["runtime"] += resident
        return total

    def interrupt_kernel(self):
        """Interrupts once. Returns when the kernel has taken note, so that it is for no later cell."""
        if self.name == "python3":
            self.manager.interrupt_kernel()
            return
        message = self.client.session.msg("interrupt_request", {})
        self.client.control_channel.send(message)
        try:
            while self.client.get_control_msg(timeout=PATIENCE_S)["parent_header"].get("msg_id") != message["header"]["msg_id"]:
                pass
        except queue.Empty:
            self.lose("an interrupt's reply")

    # --- messages ---

    def lose(self, what):
        self.lost.append(f"step {self.counts['steps']}: {what}")
        print(f"{self.name}: lost: {self.lost[-1]}", flush=True)

    def collect(self, requests, on_message=None):
        """Reads until each request has its reply and its idle. Returns replies and outputs by request."""
        outputs = {request: [] for request in requests}
        idle, replies = set(), {}
        deadline = time.monotonic() + PATIENCE_S
        while len(idle) < len(requests) or len(replies) < len(requests):
            if time.monotonic() > deadline:
                missing = [request for request in requests if request not in idle or request not in replies]
                self.lose(f"{len(missing)} of {len(requests)} requests: {len(idle)} idle, {len(replies)} replies")
                self.start()
                break
            while len(replies) < len(requests):
                try:
                    reply = self.client.get_shell_msg(timeout=0)
                except queue.Empty:
                    break
                replies[reply["parent_header"].get("msg_id")] = reply
                replies = {request: reply for request, reply in replies.items() if request in outputs}
            try:
                message = self.client.get_iopub_msg(timeout=0.2)
            except queue.Empty:
                continue
            parent = message["parent_header"].get("msg_id")
            if parent not in outputs:
                continue
            deadline = time.monotonic() + PATIENCE_S
            if message["msg_type"] == "status":
                if message["content"]["execution_state"] == "idle":
                    idle.add(parent)
                continue
            if parent in idle and message["msg_type"] not in ("comm_msg", "stream"):
                self.disorder.append(f"a {message['msg_type']} after idle")
            outputs[parent].append(message)
            if on_message:
                on_message(message)
        return replies, outputs

    def cell(self, code, expected, on_message=None, ends=None):
        """Runs a cell and compares what it shows."""
        self.counts["cells"] += 1
        request = self.client.execute(code)
        replies, outputs = self.collect([request], on_message)
        shown = [token for message in outputs[request] for token in tokens(message)]
        status = replies[request]["content"]["status"] if request in replies else "lost"
        if expected is not None and shown != expected or ends is not None and status not in (ends, "lost"):
            self.disorder.append(f"step {self.counts['steps']}: {code!r} ({status}) showed {shown}, expected {expected}")
            print(f"{self.name}: disorder: {self.disorder[-1]}", flush=True)
        return status

    def draw(self, kind):
        code, expected = self.random.choice(CELLS[self.name][kind])
        number = self.random.randrange(2, 8)
        code = code.format(n=number)
        if expected == "pairs":
            return code, [str(i) for i in range(number) for _ in range(2)]
        return code, expected.format(n=number).split() if expected is not None else None

    # --- steps ---

    def plain(self, kind):
        code, expected = self.draw(kind)
        self.cell(code, expected, ends="error" if kind == "fail" else "ok")

    def define(self):
        self.plain("define")

    def redefine(self):
        self.plain("redefine")

    def show(self):
        self.plain("show")

    def plot(self):
        self.plain("plot")

    def swap(self):
        self.plain("swap")

    def fail(self):
        self.plain("fail")

    def spawn(self):
        self.plain("spawn")

    def interrupt(self):
        code, expected = self.draw("interrupt")
        times = self.random.choice([1, 1, 2])
        pause = self.random.random() * 0.3

        def on_message(message):
            if message["msg_type"] == "stream" and "[[0]]" in message["content"]["text"]:
                time.sleep(pause)
                for _ in range(times):
                    self.interrupt_kernel()

        self.cell(code, None if self.name == "python3" else expected, on_message, ends="error")

    def burst(self):
        kinds = [self.random.choice(["define", "redefine", "show", "plot"]) for _ in range(self.random.randrange(3, 9))]
        if self.random.random() < 0.4:
            kinds[self.random.randrange(len(kinds))] = "fail"
        cells = [self.draw(kind) for kind in kinds]
        requests = [self.client.execute(code) for code, _ in cells]
        self.counts["cells"] += len(cells)
        replies, outputs = self.collect(requests)
        for request, (code, expected) in zip(requests, cells):
            status = replies.get(request, {"content": {"status": "lost"}})["content"]["status"]
            shown = [token for message in outputs[request] for token in tokens(message)]
            if expected is not None and shown != (expected if status in ("ok", "error") else []):
                self.disorder.append(f"step {self.counts['steps']}: in a burst {code!r} ({status}) showed {shown}")

    def send_comm(self, kind, content):
        message = self.client.session.msg(kind, content)
        self.client.shell_channel.send(message)

    def wait_for(self, what, wanted):
        """Reads broadcasts until one is wanted."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            try:
                message = self.client.get_iopub_msg(timeout=1)
            except queue.Empty:
                continue
            if wanted(message):
                return True
        self.lose(what)
        return False

    def comm(self):
        """Messages over a comm come back in order, with or without a cell that runs."""
        comm, count, got = uuid.uuid4().hex, self.random.randrange(1, 20), []
        runs = self.random.random() < 0.4
        request = self.client.execute(self.draw("run")[0]) if runs else None
        self.send_comm("comm_open", {"comm_id": comm, "target_name": "echo", "data": {}})
        for number in range(count):
            self.send_comm("comm_msg", {"comm_id": comm, "data": {"n": number}})
        idle = [request is None]

        def wanted(message):
            if message["msg_type"] == "comm_msg" and message["content"]["comm_id"] == comm:
                got.append(message["content"]["data"].get("n"))
            is_idle = message["content"].get("execution_state") == "idle"
            idle[0] = idle[0] or is_idle and message["parent_header"].get("msg_id") == request
            return len(got) == count and idle[0]

        self.wait_for(f"{count} comm messages, with a cell: {runs}", wanted)
        self.counts["comm messages"] += count
        if got != list(range(len(got))):
            self.disorder.append(f"comm messages came as {got}")
        self.send_comm("comm_close", {"comm_id": comm, "data": {}})
        if request:
            self.reply_of(request)

    def reply_of(self, request):
        try:
            while self.client.get_shell_msg(timeout=PATIENCE_S)["parent_header"].get("msg_id") != request:
                pass
        except queue.Empty:
            self.lose("a reply")

    def hang(self):
        """A handler hangs, is interrupted, and messages behind it are answered."""
        comm = uuid.uuid4().hex
        self.send_comm("comm_open", {"comm_id": comm, "target_name": "hang", "data": {}})
        self.send_comm("comm_msg", {"comm_id": comm, "data": {}})
        is_hung = lambda message: message["msg_type"] == "stream" and "[[hung]]" in message["content"]["text"]
        if self.wait_for("a handler that hangs", is_hung):
            self.interrupt_kernel()
            self.comm()

    def ask(self):
        """Questions while a cell runs."""
        code, expected = self.draw("run")
        request = self.client.execute(code)
        asked = [
            self.client.complete("val", 3),
            self.client.is_complete("let x = (1,"),
            self.client.inspect("values", 3),
            self.client.comm_info(),
            self.client.kernel_info(),
        ]
        self.counts["cells"] += 1
        replies, outputs = self.collect([request, *asked])
        shown = [token for message in outputs[request] for token in tokens(message)]
        if shown != expected:
            self.disorder.append(f"beside questions: {shown}")

    def run(self):
        begin = time.monotonic()
        restarts = [self.seconds / 3 * part / 6 for part in range(1, 6)]
        names, weights = list(WEIGHTS), list(WEIGHTS.values())
        while (elapsed := time.monotonic() - begin) < self.seconds:
            if restarts and elapsed > restarts[0]:
                restarts.pop(0)
                self.counts["restarts"] += 1
                self.start()
            kind = self.random.choices(names, weights)[0]
            self.counts["steps"] += 1
            self.counts[kind] += 1
            getattr(self, kind)()
            if self.counts["steps"] % 10 == 0:
                self.samples.append(self.memory())
        growth = {}
        base = STEPS_BEFORE_BASE // 10
        for part in ("host", "runtime"):
            values = [sample[part] for sample in self.samples]
            if len(values) >= base + 6:
                growth[part] = statistics.median(values[-5:]) - statistics.median(values[base : base + 5])
        last = self.samples[-1] if self.samples else {}
        self.client.stop_channels()
        self.manager.shutdown_kernel()
        for _ in range(100):
            left = self.processes()
            if not left:
                break
            time.sleep(0.1)
        return {
            "counts": dict(self.counts), "lost": self.lost, "disorder": self.disorder, "growth": growth, "left": len(left),
            "steps": 10 * len(self.samples), "last": last,
        }


def soak(name, seed, minutes):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    run = Soak(name, seed, minutes)
    try:
        return run.run()
    finally:
        run.kill()


def stop(*_):
    """Ends the workers, which end their kernels."""
    for worker in multiprocessing.active_children():
        worker.terminate()
    sys.exit(1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--check", action="store_true", help="exit status 1 if a bound is missed")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, stop)
    names = ["patchbay", "python3"]
    with concurrent.futures.ProcessPoolExecutor(len(names), multiprocessing.get_context("spawn")) as pool:
        running = {name: pool.submit(soak, name, arguments.seed, arguments.minutes) for name in names}
        results = {name: future.result() for name, future in running.items()}
    print(f"{'':10} {'steps':>6} {'cells':>6} {'comms':>6} {'lost':>5} {'disorder':>9} {'growth MB, host + runtime':>26} {'left':>5}")
    for name, result in results.items():
        counts, growth = result["counts"], result["growth"]
        grown = " + ".join(f"{growth[part]:.1f}" for part in growth) or "too short"
        print(
            f"{name:10} {counts['steps']:6} {counts['cells']:6} {counts['comm messages']:6} {len(result['lost']):5} "
            f"{len(result['disorder']):9} {grown:>26} {result['left']:5}   (growth over {result['steps']} steps; "
            + ", ".join(f"{part} {size:.0f} MB" for part, size in result["last"].items() if size)
            + f"; {counts})"
        )
        for line in result["disorder"][:10]:
            print(f"    {line}")
    own = results["patchbay"]
    missed = own["lost"] or own["disorder"] or own["left"] or sum(own["growth"].values()) > GROWTH_MB
    return 1 if arguments.check and missed else 0


if __name__ == "__main__":
    sys.exit(main())
