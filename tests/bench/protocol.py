"""How fast the kernel answers, and how much it broadcasts: Patchbay beside ipykernel, in one run.

Usage: target/venv/bin/python tests/bench/protocol.py [--rounds 100] [--seconds 60]

Round trips are from the request to the reply. While a cell runs, requests go to a subshell (JEP 91), as JupyterLab sends
them. The live plot is redrawn 20 times a second by a cell; `lost` counts frames that did not arrive. LivePlot draws less
often than points are pushed, and thins them: its last frame says how many it shows.

Targets: complete and inspect within 20 ms (median), idle and while a cell runs; kernel_info within ipykernel's time; the
live plot under 1,000 messages and 1 MB a second, with no frame lost. What misses one is named at the end; with --check the
exit status is then 1.
"""

import argparse
import json
import platform
import statistics
import sys
import time

from latency import Kernel

ROUND_TRIP_MS = 20
MESSAGES_PER_SECOND = 1000
KB_PER_SECOND = 1000

CODE = {
    "patchbay": {
        "define": "let measurements = vec![3.5, 1.0, 2.0];",
        "prefix": "measu",
        "run": "println!(\"go\"); loop { std::thread::sleep(std::time::Duration::from_millis(1)); }",
    },
    "python3": {
        "define": "measurements = [3.5, 1.0, 2.0]",
        "prefix": "measu",
        "run": "import time\nprint('go')\nwhile True: time.sleep(0.001)",
    },
}

FRAMES = """
let began = std::time::Instant::now();
let mut shown = None;
let mut frame = 0u64;
while began.elapsed().as_secs_f64() < SECONDS {
    let wave = |phase: f64| (0..500).map(|at| (at as f64 / 50.0 + phase).sin()).collect::<Vec<f64>>();
    let phase = frame as f64 / 20.0;
    let figure = plot::lines().title(format!("frame {frame}")).series("a", wave(phase)).series("b", wave(2.0 * phase)).draw()?;
    match &shown {
        None => shown = Some(display(&figure)),
        Some(display) => display.update(&figure),
    }
    frame += 1;
    let next = std::time::Duration::from_millis(50 * frame);
    std::thread::sleep(next.saturating_sub(began.elapsed()));
}
println!("frames {frame}");
"""

POINTS = """
let began = std::time::Instant::now();
let mut live = LivePlot::new("loss");
let mut points = 0u64;
for step in progress(0..u64::MAX).title("training") {
    live.push("loss", step as f64, 1.0 / (1.0 + step as f64));
    points += 1;
    if began.elapsed().as_secs_f64() > SECONDS { break; }
    std::thread::sleep(std::time::Duration::from_micros(200));
}
drop(live);
println!("points {points}");
"""


def milliseconds(kernel, request, rounds, subshell=None):
    """Median and worst round trip of `request(client)`, which returns a message and the channel it goes to."""
    times = []
    for _ in range(rounds):
        message = request(kernel.client.session)
        if subshell:
            message["header"]["subshell_id"] = subshell
        begin = time.perf_counter()
        kernel.client.shell_channel.send(message)
        while True:
            reply = kernel.client.get_shell_msg(timeout=30)
            if reply["parent_header"].get("msg_id") == message["header"]["msg_id"]:
                break
        times.append(1000 * (time.perf_counter() - begin))
        assert reply["content"]["status"] == "ok", reply["content"]
    return statistics.median(times), max(times)


def requests(code):
    prefix = code["prefix"]
    return {
        "complete": lambda session: session.msg("complete_request", {"code": prefix, "cursor_pos": len(prefix)}),
        "inspect": lambda session: session.msg(
            "inspect_request", {"code": "measurements", "cursor_pos": 5, "detail_level": 0}
        ),
        "kernel_info": lambda session: session.msg("kernel_info_request", {}),
    }


def subshell_of(kernel):
    """A new subshell's id, or nothing where the kernel has none."""
    message = kernel.client.session.msg("create_subshell_request", {})
    kernel.client.control_channel.send(message)
    reply = kernel.client.get_control_msg(timeout=10)
    return reply["content"].get("subshell_id")


def drain(kernel):
    """Reads broadcasts up to the latest."""
    while True:
        try:
            kernel.client.get_iopub_msg(timeout=0.2)
        except Exception:
            return


def round_trips(name, rounds):
    """{(request, state): (median, worst)} in ms."""
    kernel = Kernel(name)
    code = CODE[name]
    found = {}
    try:
        kernel.run(code["define"])
        for request, make in requests(code).items():
            milliseconds(kernel, make, 5)
            found[request, "idle"] = milliseconds(kernel, make, rounds)
        subshell = subshell_of(kernel)
        drain(kernel)
        running = kernel.client.execute(code["run"])
        while kernel.client.get_iopub_msg(timeout=60)["msg_type"] != "stream":
            pass
        for request, make in requests(code).items():
            found[request, "cell running"] = milliseconds(kernel, make, rounds, subshell)
        kernel.manager.interrupt_kernel()
        while kernel.client.get_shell_msg(timeout=30)["parent_header"].get("msg_id") != running:
            pass
    finally:
        kernel.stop()
    return found


def size(message):
    """Bytes of a message's four signed parts, as they are on the wire."""
    parts = ("header", "parent_header", "metadata", "content")
    return sum(len(json.dumps(message[part], default=str).encode()) for part in parts)


def broadcasts(kernel, code, what):
    """Runs a cell; returns the number it printed after `what`, messages with data, all messages, and bytes, per run."""
    kernel.client.execute(code)
    frames, messages, volume, number, last = 0, 0, 0, 0, ""
    while True:
        message = kernel.client.get_iopub_msg(timeout=120)
        messages += 1
        volume += size(message)
        content = message["content"]
        if message["msg_type"] in ("display_data", "update_display_data") and "image/svg+xml" in content["data"]:
            frames += 1
            last = content["data"]["text/plain"]
        elif message["msg_type"] == "stream" and content["text"].startswith(what):
            number = int(content["text"].split()[1])
        elif content.get("execution_state") == "idle" and message["parent_header"]["msg_type"] == "execute_request":
            break
    kernel.client.get_shell_msg(timeout=30)
    return number, frames, messages, volume, last


def too_much(what, rate):
    """What of (messages/s, kB/s) is over its limit, in words."""
    limits = ((rate[0], MESSAGES_PER_SECOND, "messages/s"), (rate[1], KB_PER_SECOND, "kB/s"))
    return [f"{what}: {value:.0f} {unit}, not under {limit}" for value, limit, unit in limits if value >= limit]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--check", action="store_true", help="exit with 1 where a target is missed")
    arguments = parser.parse_args()
    missed = []
    print(f"{platform.machine()}, {arguments.rounds} rounds, {arguments.seconds:g} s of plots\n")

    ours, theirs = (round_trips(name, arguments.rounds) for name in ("patchbay", "python3"))
    print("| request | patchbay ms, median (worst) | ipykernel ms, median (worst) | ratio |")
    print("|---|---|---|---|")
    for key, (median, worst) in ours.items():
        other, other_worst = theirs[key]
        print(f"| {key[0]}, {key[1]} | {median:.2f} ({worst:.1f}) | {other:.2f} ({other_worst:.1f}) | {median / other:.2f} |")

        limit = other if key[0] == "kernel_info" else ROUND_TRIP_MS
        if median > limit:
            missed.append(f"{key[0]}, {key[1]}: {median:.2f} ms, not at most {limit:.2f}")

    kernel = Kernel("patchbay")
    try:
        print("\n| live plot | frames arrived | lost | messages/s | kB/s |")
        print("|---|---|---|---|---|")
        seconds = f"{arguments.seconds:.1f}"
        sent, frames, messages, volume, _ = broadcasts(kernel, FRAMES.replace("SECONDS", seconds), "frames")
        rate = (messages / arguments.seconds, volume / 1000 / arguments.seconds)
        print(f"| 20 frames/s, 2 lines of 500 points | {frames} | {sent - frames} | {rate[0]:.0f} | {rate[1]:.0f} |")
        if sent != frames:
            missed.append(f"20 frames/s: {sent - frames} of {sent} frames lost")
        missed += too_much("20 frames/s", rate)
        points, frames, messages, volume, last = broadcasts(kernel, POINTS.replace("SECONDS", seconds), "points")
        rate = (messages / arguments.seconds, volume / 1000 / arguments.seconds)
        print(f"| LivePlot, {points / arguments.seconds:.0f} points/s | {frames} | | {rate[0]:.0f} | {rate[1]:.0f} |")
        missed += too_much("LivePlot", rate)
        print(f"\nLivePlot's last frame after {points} points: {last}")
    finally:
        kernel.stop()
    for target in missed:
        print(f"missed: {target}")
    if not missed:
        print("all targets are met")
    return 1 if missed and arguments.check else 0


if __name__ == "__main__":
    sys.exit(main())
