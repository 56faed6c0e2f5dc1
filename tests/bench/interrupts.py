"""How soon a blocked cell is idle after an interrupt, and what is left of its variables: Patchbay beside ipykernel, in one run.

Usage: target/venv/bin/python tests/bench/interrupts.py [--check]

Each cell uses all variables and then blocks. It is interrupted once, 0.3 s after it has begun to block; idle is counted from the
interrupt. `kept` are the variables that have the same value afterwards. With --check the exit status is 1 where a cell took longer
than 1.5 s or a variable is gone.
"""

import argparse
import platform
import statistics
import sys
import tempfile
import time

from latency import Kernel

IDLE_S = 1.5

VARIABLES = {
    "patchbay": {
        "define": 'let number = 1.5; let text = "text".to_owned(); let list = vec![1.0f64; 1_000_000]; '
        "let weights = Tensor::ones(4, DType::F32, &Device::Cpu)?; let var = Var::from_tensor(&weights)?; "
        "let varmap = VarMap::new(); struct Own(String); let own = Own(text.clone()); "
        "let shared = std::sync::Arc::new(std::sync::Mutex::new(1)); "
        "let mut steps = 3; let mut history = vec![1.0f64, 2.0];",
        "use": "let _ = (number, &text, &list, &weights, &var, &varmap, &own, &shared, &mut steps, &mut history);",
        "checks": [
            "number == 1.5",
            'text == "text"',
            "list.len() == 1_000_000",
            "weights.sum_all()?.to_scalar::<f32>()? == 4.0",
            "var.sum_all()?.to_scalar::<f32>()? == 4.0",
            "varmap.all_vars().is_empty()",
            'own.0 == "text"',
            "*shared.lock().unwrap() == 1",
            "steps == 3",
            "history.len() == 2",
        ],
        "true": "true",
        "and": " && ",
        "go": 'println!("go");',
    },
    "python3": {
        "define": "import threading, socket, subprocess, os, time, queue\n"
        "number = 1.5; text = 'text'; items = [1.0] * 1000000; lock = threading.Lock(); own = {'a': text}; steps = 3; history = [1.0, 2.0]",
        "use": "_ = (number, text, items, lock, own, steps, history)",
        "checks": [
            "number == 1.5",
            "text == 'text'",
            "len(items) == 1000000",
            "lock is not None",
            "own['a'] == 'text'",
            "steps == 3",
            "len(history) == 2",
        ],
        "true": "True",
        "and": " and ",
        "go": "print('go', flush=True)",
    },
}

FOLDER = tempfile.TemporaryDirectory()
FIFO = f"{FOLDER.name}/fifo"

# kind: (Rust, Python)
CELLS = {
    "sleep": (
        "std::thread::sleep(std::time::Duration::from_secs(3600));",
        "time.sleep(3600)",
    ),
    "join": (
        "std::thread::spawn(|| std::thread::park()).join().unwrap();",
        "t = threading.Thread(target=time.sleep, args=(3600,), daemon=True); t.start(); t.join()",
    ),
    "receive": (
        "let (_s, r) = std::sync::mpsc::channel::<u8>(); r.recv()?;",
        "queue.Queue().get()",
    ),
    "lock": (
        "let m = std::sync::Mutex::new(1); let _a = m.lock().unwrap(); let _b = m.lock().unwrap();",
        "l = threading.Lock(); l.acquire(); l.acquire()",
    ),
    "condition": (
        "let m = std::sync::Mutex::new(1); drop(std::sync::Condvar::new().wait(m.lock().unwrap()).unwrap());",
        "c = threading.Condition()\nwith c: c.wait()",
    ),
    "process": (
        'std::process::Command::new("sleep").arg("3600").status()?;',
        "subprocess.run(['sleep', '3600'])",
    ),
    "accept": (
        'std::net::TcpListener::bind("127.0.0.1:0")?.accept()?;',
        "s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen(); s.accept()",
    ),
    "park": ("std::thread::park();", "threading.Event().wait()"),
    "barrier": ("std::sync::Barrier::new(2).wait();", "threading.Barrier(2).wait()"),
    "fifo": (
        f'let _ = std::process::Command::new("mkfifo").arg("{FIFO}").status(); std::fs::read("{FIFO}")?;',
        f"os.path.exists('{FIFO}') or os.mkfifo('{FIFO}'); open('{FIFO}').read()",
    ),
    "iterator": (
        "(0..u64::MAX).for_each(|n| { std::hint::black_box(n); });",
        "any(False for _ in range(10 ** 18))",
    ),
    "allocations": (
        "(0..u64::MAX).for_each(|n| { std::hint::black_box(vec![n; 5000]); });",
        "any([None] * 5000 and False for _ in range(10 ** 18))",
    ),
    "printing": (
        '(0..u64::MAX).for_each(|_| println!("line"));',
        "any(print('line') for _ in range(10 ** 18))",
    ),
}


def wait_for(kernel, message_id, wanted):
    """Reads broadcasts of a request until one is wanted."""
    while True:
        message = kernel.client.get_iopub_msg(timeout=60)
        if message["parent_header"].get("msg_id") == message_id and wanted(message):
            return


def is_idle(message):
    return message["msg_type"] == "status" and message["content"]["execution_state"] == "idle"


def holds(kernel, name, check):
    """Whether a condition is shown as true; a variable that is gone makes it an error."""
    message_id = kernel.client.execute(check, stop_on_error=False)
    shown = []
    wait_for(kernel, message_id, lambda message: shown.append(message) or is_idle(message))
    kernel.client.get_shell_msg(timeout=60)
    results = [message["content"]["data"]["text/plain"] for message in shown if message["msg_type"] == "execute_result"]
    return results == [VARIABLES[name]["true"]]


def interrupted(kernel, name, code):
    """Seconds to idle, and how many of the variables are there afterwards."""
    words = VARIABLES[name]
    message_id = kernel.client.execute(f"{words['use']}\n{words['go']}\n{code}", stop_on_error=False)
    wait_for(kernel, message_id, lambda message: message["msg_type"] == "stream")
    time.sleep(0.3)
    begin = time.perf_counter()
    kernel.manager.interrupt_kernel()
    wait_for(kernel, message_id, is_idle)
    seconds = time.perf_counter() - begin
    kernel.client.get_shell_msg(timeout=60)
    # One by one only where one is gone: a name that is not there fails the whole expression.
    if holds(kernel, name, words["and"].join(f"({check})" for check in words["checks"])):
        return seconds, len(words["checks"])
    return seconds, sum(holds(kernel, name, check) for check in words["checks"])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="exit status 1 if a target is missed")
    arguments = parser.parse_args()
    print(f"{platform.machine()}, Python {platform.python_version()}")
    table = {kind: [] for kind in CELLS}
    missed = []
    for column, name in enumerate(VARIABLES):
        kernel = Kernel(name)
        kernel.run(VARIABLES[name]["define"])
        total = len(VARIABLES[name]["checks"])
        times = []
        for kind, cells in CELLS.items():
            seconds, kept = interrupted(kernel, name, cells[column])
            times.append(seconds)
            table[kind].append(f"{1000 * seconds:6.0f} ms {kept:2}/{total}")
            if name == "patchbay" and (seconds > IDLE_S or kept < total):
                missed.append(f"{kind}: {seconds:.2f} s, {kept} of {total} variables")
            if kept < total:
                kernel.stop()
                kernel = Kernel(name)
                kernel.run(VARIABLES[name]["define"])
        print(f"{name}: median {1000 * statistics.median(times):.0f} ms, worst {1000 * max(times):.0f} ms")
        kernel.stop()
    print(f"{'kind':12} {'patchbay':>16} {'ipykernel':>16}   (to idle, variables kept)")
    for kind, columns in table.items():
        print(f"{kind:12} " + " ".join(f"{text:>16}" for text in columns))
    for line in missed:
        print(f"missed: {line}")
    return 1 if arguments.check and missed else 0


if __name__ == "__main__":
    sys.exit(main())
