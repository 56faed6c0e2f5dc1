"""Writes numpy.npz: small arrays of NumPy's types, in the order of Fortran where the name says so."""

import pathlib

import numpy as np

base = np.arange(6).reshape(2, 3).T
kinds = ["u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f8"]
arrays = {kind: base.astype(kind, order="C") for kind in kinds}
arrays["fortran_big_endian"] = np.asfortranarray(base.astype(">f4"))
arrays["bool"] = base > 0
np.savez_compressed(pathlib.Path(__file__).with_name("numpy.npz"), **arrays)
