"""PyTorch's side of a benchmark that asks for rounds (see peer.rs), for the scripts that stand beside this one."""

import sys
import time

import torch


# Seconds of work before what is timed, as in peer.rs.
WARM_UP = 0.03


def prepare():
    """Threads as the first argument says, and equal random numbers in every run."""
    torch.set_num_threads(int(sys.argv[1]))
    torch.manual_seed(0)


def answer(case):
    """Prints torch's version, then for each line `case<TAB>repetitions` of the input the seconds of one repetition.

    `case(name)` makes a step; the last one is kept.
    """
    print(torch.__version__, flush=True)
    latest, step = None, None
    for line in sys.stdin:
        name, repetitions = line.strip().split("\t")
        if name != latest:
            step = None
            latest, step = name, case(name)
        start = time.perf_counter()
        while time.perf_counter() - start < WARM_UP:
            step()
        start = time.perf_counter()
        for _ in range(int(repetitions)):
            step()
        print((time.perf_counter() - start) / int(repetitions), flush=True)
