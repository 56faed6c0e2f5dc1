"""Tensors that are made of their names; tests/support/mod.rs does the same."""

import numpy as np
import torch


def splitmix(x):
    with np.errstate(over="ignore"):
        x = x + np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return x ^ (x >> np.uint64(31))


def fnv(name):
    h = 0xCBF29CE484222325
    for byte in name.encode():
        h = ((h ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return np.uint64(h)


def uniform(name, count):
    """float32 values in [-1, 1)."""
    with np.errstate(over="ignore"):
        bits = splitmix(fnv(name) + np.arange(count, dtype=np.uint64)) >> np.uint64(40)
    return bits.astype(np.float64) / 2**23 - 1


def tensor(name, *shape):
    return torch.tensor(uniform(name, int(np.prod(shape))), dtype=torch.float64).reshape(shape)
