#!/usr/bin/env python3
"""Breaks losses, ops and components one at a time and sees that a test falls for each.

    python3 tests/mutations.py                 # in a copy of the tracked files under target/mutations, which keeps its builds
    python3 tests/mutations.py --here          # in this working tree, which must have no changes in the files concerned
    python3 tests/mutations.py --only ops weights
    python3 tests/mutations.py --list          # exits with 1 where a text is not there any more

Each mutation is a file, a text in it that occurs once, what stands there instead, and the package and those of its tests of which one
must fail. Prints a table of the mutations and the tests that failed; the exit code is 1 where one was not caught, or a text
is not there any more. A mutation that does not compile counts as an error of this list, not as caught.
"""

import argparse
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

REPOSITORY = pathlib.Path(__file__).resolve().parents[1]

# Without the test that reads half a gigabyte.
WEIGHTS = ["--lib", "--test", "containers", "--", "--skip", "operations_without_end"]

# What, package, file, old text, new text; then which of the package's tests run.
MUTATIONS = [
    # Ops, against the CUDA kernels' source (compiled as C++) and their unit tests.
    ("layer norm: a term of the gradient is dropped", "patchbay-ops", "kernel/ops/src/layer_norm/cpu.rs",
     "(grad * weight - mean_h - *out * mean_hx)", "(grad * weight - *out * mean_hx)", ["--test", "cuda_kernels"]),
    ("layer norm: epsilon outside of the root", "patchbay-ops", "kernel/ops/src/layer_norm/cpu.rs",
     "T::ONE / (variance + T::of(eps)).sqrt()", "T::ONE / (variance.sqrt() + T::of(eps))", ["--test", "cuda_kernels"]),
    ("softmax: the projection is not taken off the gradient", "patchbay-ops", "kernel/ops/src/softmax/cpu.rs",
     "let projected = dot(y, grad);", "let projected = T::ZERO * dot(y, grad);", ["--test", "cuda_kernels"]),
    ("log-softmax: the sign of the logarithm", "patchbay-ops", "kernel/ops/src/softmax/cpu.rs",
     "*y = x - shift - log_sum;", "*y = x - shift + log_sum;", ["--test", "cuda_kernels"]),
    ("Adam: the second moment takes the gradient, not its square", "patchbay-ops", "kernel/ops/src/optimizer_step/cpu.rs",
     "rest2 * g * g;", "rest2 * g;", ["--test", "cuda_kernels"]),
    ("SGD: weight decay has the wrong sign", "patchbay-ops", "kernel/ops/src/optimizer_step/cpu.rs",
     "let g = g + decay * *p;\n            *b", "let g = g - decay * *p;\n            *b", ["--test", "cuda_kernels"]),
    # Exact sums.
    ("sums: the end of a row is left out", "patchbay-ops", "kernel/ops/src/reduce_kernel.rs",
     "more = both(more, terms::<T, M>(values, about));", "let _ = values;", ["--lib", "--test", "sums"]),
    ("sums: doubles are added in f32", "patchbay-ops", "kernel/ops/src/real.rs",
     "fn as_f64(self) -> f64 {\n        self\n    }", "fn as_f64(self) -> f64 {\n        f64::from(self as f32)\n    }",
     ["--lib", "--test", "sums"]),
    ("sums: over another axis", "patchbay-ops", "kernel/ops/src/reduce/mod.rs",
     "let reduced = dims.contains(&dim);", "let reduced = dims.contains(&(layout.dims().len() - 1 - dim));", ["--test", "sums"]),
    ("mean: the gradient lacks 1/n", "patchbay-ops", "kernel/ops/src/reduce/mod.rs",
     "What::Mean => (grad / self.over.count as f64)?,", "What::Mean => grad.clone(),", ["--test", "sums"]),
    ("variance: the gradient is half of itself", "patchbay-ops", "kernel/ops/src/reduce/mod.rs",
     "(grad * (2.0 / divisor))?", "(grad * (1.0 / divisor))?", ["--test", "sums"]),
    ("SGD: momentum that stays as it was", "patchbay-ops", "kernel/ops/src/optimizer_step/cpu.rs",
     "*b = momentum * *b + rest * g;", "*b = momentum * *b + T::ZERO * rest * g;", ["--test", "cuda_kernels"]),
    # ALBEF.
    ("ALBEF: a pair is a negative of itself", "patchbay-albef", "plugins/albef/src/negatives.rs",
     "column != own && allowed(column)", "column < batch && allowed(column)", ["--lib", "--test", "parity"]),
    ("ALBEF: the momentum copies move away", "patchbay-albef", "plugins/albef/src/momentum.rs",
     "ops::ema_update(&copies, &networks, momentum)", "ops::ema_update(&copies, &networks, 1.0 - momentum)", ["--test", "parity"]),
    ("ALBEF: the queue is written at one place", "patchbay-albef", "plugins/albef/src/queue.rs",
     "Ok((at + count) % size)", "Ok(at)", ["--test", "parity"]),
    ("ALBEF: the network is its own teacher", "patchbay-albef", "plugins/albef/src/contrastive.rs",
     "against_all(momentum)?", "against_all(online)?", ["--test", "parity"]),
    ("ALBEF: shared positives are not divided by their number", "patchbay-albef", "plugins/albef/src/contrastive.rs",
     "let share = 1.0 / ids", "let share = 1.0 + 0.0 * ids", ["--test", "parity"]),
    ("ALBEF: the queue's ids are one place behind", "patchbay-albef", "plugins/albef/src/queue.rs",
     "all[(at + offset) % size] = id;", "all[(at + offset + 1) % size] = id;", ["--test", "parity"]),
    # Files of weights.
    ("half precision: subnormal numbers are off by a factor of 2", "patchbay-weights", "kernel/weights/src/element.rs",
     "0 => fraction * 2f32.powi(-24),", "0 => fraction * 2f32.powi(-25),", WEIGHTS),
    ("PyTorch: the offset into a storage is ignored", "patchbay-weights", "kernel/weights/src/torch.rs",
     "let bytes = &self.data[self.offset * kind.size()..]", "let bytes = &self.data[0 * kind.size()..]", WEIGHTS),
    ("PyTorch: strides are followed backwards", "patchbay-weights", "kernel/weights/src/torch.rs",
     "for axis in (0..shape.len()).rev() {", "for axis in 0..shape.len() {", WEIGHTS),
    ("checkpoints: the last weights before the average", "patchbay-weights", "kernel/weights/src/containers.rs",
     "    Average,\n    Known,", "    Known,\n    Average,", WEIGHTS),
    ("checkpoints: buffers that are not kept are read", "patchbay-weights", "kernel/weights/src/containers.rs",
     "true if is_hidden => {}", "true if is_hidden && false => {}", WEIGHTS),
    ("ONNX: a folded weight is not turned", "patchbay-weights", "kernel/weights/src/onnx.rs",
     "tensor.values[at % rows * columns + at / rows]", "tensor.values[at]", WEIGHTS),
    # Dehazing.
    ("dark channel: the window is one pixel too small", "patchbay-dehaze-core", "plugins/dehaze/core/src/dehazer.rs",
     "                        min_filter::along_row(row, self.patch_radius, scratch);\n                    }\n                },\n            );\n            let kept",
     "                        min_filter::along_row(row, self.patch_radius.saturating_sub(1), scratch);\n                    }\n                },\n            );\n            let kept", ["--test", "parity"]),
    ("transmission: omega is left out", "patchbay-dehaze-core", "plugins/dehaze/core/src/dark_channel_prior.rs",
     "let scale = omega * scale;", "let scale = omega * 0.0 + scale;", ["--test", "parity"]),
    ("airlight: the darkest candidate", "patchbay-dehaze-core", "plugins/dehaze/core/src/airlight.rs",
     "sum > brightest", "sum < brightest", ["--test", "parity"]),
    ("airlight: windows without data are the haziest", "patchbay-dehaze-core", "plugins/dehaze/core/src/dehazer.rs",
     "picture.hide(0, &mut dark, T::default());", "", ["--test", "files"]),
    ("dark channel: what is no data takes part", "patchbay-dehaze-core", "plugins/dehaze/core/src/dehazer.rs",
     "picture.hide(seen.start + first, output, T::MAXIMUM);", "", ["--test", "files"]),
    ("guided filter: epsilon is doubled", "patchbay-dehaze-core", "plugins/dehaze/core/src/guided_filter.rs",
     "(variance.max(0.0) + eps)", "(variance.max(0.0) + 2.0 * eps)", ["--test", "parity"]),
    ("guided filter: a channel's covariance is dropped", "patchbay-dehaze-core", "plugins/dehaze/core/src/guided_filter.rs",
     "let s12 = gb[x] - g * b;", "let s12 = 0.0 * (gb[x] - g * b);", ["--test", "parity"]),
    ("recovery: the airlight is not added again", "patchbay-dehaze-core", "plugins/dehaze/core/src/recover.rs",
     "* gain + airlight)", "* gain)", ["--test", "parity"]),
    ("SSIM: the covariance is the product", "patchbay-dehaze-core", "plugins/dehaze/core/src/quality.rs",
     "let covariance = product[at] - a * b;", "let covariance = product[at];", ["--test", "quality"]),
    ("TIFF: the planes of a planar file are not interleaved", "patchbay-dehaze-core", "kernel/codec/src/tiff.rs",
     "if bands.is_planar && bands.count > 1 {", "if false && bands.is_planar && bands.count > 1 {", ["--test", "files"]),
    ("TIFF: a fourth band is lost without a word", "patchbay-dehaze-core", "kernel/codec/src/tiff.rs",
     "2 => data == 3,", "2 => data >= 3,", ["--test", "files"]),
    # Losses.
    ("dice: the intersection counts once", "patchbay-losses", "plugins/losses/src/dice.rs",
     "(&sums.intersection * 2.0)?", "(&sums.intersection * 1.0)?", ["--test", "parity"]),
    ("poly1: epsilon has the wrong sign", "patchbay-losses", "plugins/losses/src/poly1.rs",
     "(missing * self.config.epsilon)?", "(missing * -self.config.epsilon)?", ["--test", "parity"]),
    ("Huber: the linear part begins elsewhere", "patchbay-losses", "plugins/losses/src/huber.rs",
     "- delta / 2.0)? * delta)?", "- delta)? * delta)?", ["--test", "parity"]),
    ("quantile: the levels are turned round", "patchbay-losses", "plugins/losses/src/quantile.rs",
     "(levels - 0.5)?", "(0.5 - levels)?", ["--test", "parity"]),
    ("focal and others: ignored positions weigh 1", "patchbay-losses", "plugins/losses/src/classes.rs",
     ".copied().unwrap_or(0.0))", ".copied().unwrap_or(1.0))", ["--test", "ignored", "--test", "parity"]),
    ("the ignored index is one off", "patchbay-losses", "kernel/ops/src/cross_entropy/cpu.rs",
     "let ignored = value == ignore;", "let ignored = value == ignore + 1;", ["--test", "ignored", "--test", "parity"]),
    ("binary cross entropy: the gradient of positives has the wrong sign", "patchbay-losses",
     "kernel/ops/src/binary_cross_entropy/cpu.rs",
     "(T::ONE - y) * up - positive * y * down", "(T::ONE - y) * up + positive * y * down", ["--test", "parity"]),
    ("IoU: the union has the intersection twice", "patchbay-losses", "plugins/losses/src/iou.rs",
     "(&sums.prediction + &sums.target)? - &sums.intersection)?", "(&sums.prediction + &sums.target)? - 0.0)?", ["--test", "parity"]),
    ("triplet: anchors are drawn to others", "patchbay-losses", "plugins/losses/src/triplet.rs",
     "let gap = (of(&positives)? - of(&negatives)?)?;", "let gap = (of(&negatives)? - of(&positives)?)?;", ["--test", "parity"]),
    ("cosine: the margin is added", "patchbay-losses", "plugins/losses/src/cosine.rs",
     "(cosines - config.margin)?", "(cosines + config.margin)?", ["--test", "parity"]),
    # Metrics.
    ("IoU: the intersection is not taken off the union", "patchbay-metrics", "kernel/metrics/src/ratio.rs",
     "below: [-1.0, 1.0, 1.0, 0.0],", "below: [0.0, 1.0, 1.0, 0.0],", ["--test", "parity"]),
    ("AUROC: equal scores count nothing", "patchbay-metrics", "kernel/metrics/src/auroc.rs",
     "(negatives - negatives_above - 0.5 * negatives_here) / negatives",
     "(negatives - negatives_above - negatives_here) / negatives", ["--test", "parity"]),
    ("intervals of images are those of pixels", "patchbay-metrics", "kernel/metrics/src/tally.rs",
     "of_units += influence * influence;", "of_units += influence.abs() * 1e-4;", ["--test", "behavior"]),
    ("SSIM: the luminance is left out", "patchbay-metrics", "kernel/metrics/src/image/similarity.rs",
     "(2.0 * ma * mb + self.c1) / (ma * ma + mb * mb + self.c1)", "1.0", ["--test", "parity"]),
    # Balancers.
    ("DualProj: the sum is projected, not the mean", "patchbay-balancers", "plugins/balancers/src/dual_proj.rs",
     "let even = 1.0 / present.places().len() as f64;", "let even = 1.0;", ["--test", "parity"]),
    ("ConFIG: the step is as long as one projection", "patchbay-balancers", "plugins/balancers/src/config.rs",
     "let scale = total / (length * length);", "let scale = 1.0 / length;", ["--test", "parity"]),
    ("MoDo: the weights follow their own pull", "patchbay-balancers", "plugins/balancers/src/modo.rs",
     ".map(|(w, pull)| w - self.config.gamma", ".map(|(w, pull)| w + self.config.gamma", ["--test", "parity"]),
    ("FAMO: follows the rise of losses, not their fall", "patchbay-balancers", "plugins/balancers/src/famo.rs",
     "Ok(before - logarithm(above.max(0.0)))", "Ok(logarithm(above.max(0.0)) - before)", ["--test", "parity"]),
    ("PCGrad: agreeing gradients are projected", "patchbay-balancers", "plugins/balancers/src/pcgrad.rs",
     "if product < 0.0 && gram[j][j] > 0.0 {", "if product > 0.0 && gram[j][j] > 0.0 {", ["--test", "parity"]),
    ("MGDA: gradients are divided once where both are", "patchbay-balancers", "plugins/balancers/src/mgda.rs",
     ".map(|(g, b)| g / (a * b))", ".map(|(g, b)| g / (a * b * b))", ["--test", "parity"]),
    ("CAGrad: the divisor lacks its square", "patchbay-balancers", "plugins/balancers/src/cagrad.rs",
     "1 => 1.0 + c * c,", "1 => 1.0 + c,", ["--test", "parity"]),
    # Forecasters.
    ("intervals: the ends are exchanged", "patchbay-forecasters", "kernel/forecast/src/predict.rs",
     "Ok((self.quantile(name, tail)?, self.quantile(name, 1.0 - tail)?))",
     "Ok((self.quantile(name, 1.0 - tail)?, self.quantile(name, tail)?))",
     ["--test", "forecasting", "--test", "other_data", "--", "--skip", "etth1", "--skip", "on_ett"]),
    ("last value: the one before the last", "patchbay-forecasters", "plugins/forecasters/src/last_value.rs",
     ".narrow(1, lookback - 1, 1)?", ".narrow(1, lookback.saturating_sub(2), 1)?",
     ["--test", "forecasting", "--", "--skip", "etth1", "--skip", "on_ett"]),
    ("ridge: the mean is not added again", "patchbay-forecasters", "plugins/forecasters/src/ridge.rs",
     ".broadcast_add(&scale.mean)?", ".broadcast_add(&scale.mean.zeros_like()?)?",
     ["--test", "forecasting", "--", "--skip", "etth1", "--skip", "on_ett"]),
    ("seasonal naive: one step too late", "patchbay-forecasters", "plugins/forecasters/src/seasonal_naive.rs",
     "(first + step % config.season) as u32", "(first + (step + 1) % config.season) as u32", ["--test", "forecasting", "--", "--skip", "etth1", "--skip", "on_ett"]),
    ("DLinear: the moving average is off by one", "patchbay-forecasters", "plugins/forecasters/src/d_linear.rs",
     "(step + offset).saturating_sub(kernel / 2)", "(step + offset + 1).saturating_sub(kernel / 2)", ["--test", "forecasting", "--", "--skip", "etth1", "--skip", "on_ett"]),
]


# The working tree's builds are used again; a copy's are made anew, and need not be fast.
PROFILE = ["--release"]


def run(tree, package, more, environment):
    command = ["cargo", "test", *PROFILE, "--package", package, "--no-fail-fast", *more]
    return subprocess.run(command, cwd=tree, env=environment, text=True, errors="replace", stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)


def copy(tree):
    """The tracked files; those that are equal keep their times, so that little is built again."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, check=True, stdout=subprocess.PIPE).stdout
    wanted = {pathlib.Path(name.decode()) for name in names.split(b"\0") if name}
    for name in wanted:
        source, target = REPOSITORY / name, tree / name
        if not source.is_file():
            continue
        if not target.is_file() or target.read_bytes() != source.read_bytes():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    for found in [path for path in tree.rglob("*") if path.is_file()]:
        name = found.relative_to(tree)
        if name not in wanted and name.parts[0] != "target":
            found.unlink()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--here", action="store_true")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--only", nargs="+", default=[], help="parts of packages' names or of what is broken")
    parser.add_argument("--markdown", type=pathlib.Path, help="write the table here, too")
    arguments = parser.parse_args()
    chosen = [m for m in MUTATIONS if not arguments.only or any(part in m[1] or part in m[0] for part in arguments.only)]
    if arguments.list:
        stale = 0
        for what, package, file, old, *_ in chosen:
            path = REPOSITORY / file
            count = path.read_text().count(old) if path.is_file() else 0
            stale += count != 1
            print(f"{package:22} {file:50} {what}" + ("" if count == 1 else f": STALE, the text is there {count} times"))
        return 1 if stale else 0

    environment = dict(os.environ)
    tree = REPOSITORY
    if not arguments.here:
        tree = REPOSITORY / "target/mutations"
        tree.mkdir(parents=True, exist_ok=True)
        copy(tree)
        environment |= {"CARGO_TARGET_DIR": str(tree / "target"), "CARGO_PROFILE_DEV_OPT_LEVEL": "1",
                        "CARGO_PROFILE_DEV_DEBUG": "0"}
        PROFILE.clear()
    else:
        files = sorted({mutation[2] for mutation in chosen})
        dirty = subprocess.run(["git", "status", "--porcelain", "--", *files], cwd=tree, check=True, text=True,
                               stdout=subprocess.PIPE).stdout
        if dirty:
            sys.exit(f"these files have changes that are not committed; commit or stash them first:\n{dirty}")
    # A stop in between restores the file, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))

    for package, more in sorted({(mutation[1], tuple(mutation[5])) for mutation in chosen}):
        done = run(tree, package, more, environment)
        if done.returncode:
            print(done.stdout[-4000:])
            sys.exit(f"the tests of {package} fail before anything was broken")
    rows, missed = [], 0
    for what, package, file, old, new, more in chosen:
        path = tree / file
        whole = path.read_text()
        begin = time.time()
        if whole.count(old) != 1:
            result = f"STALE: the text is {whole.count(old)} times in {file}"
        else:
            try:
                path.write_text(whole.replace(old, new))
                done = run(tree, package, more, environment)
            finally:
                path.write_text(whole)
            fallen = re.findall(r"^test (\S+) \.\.\. FAILED", done.stdout, re.M)
            if "could not compile" in done.stdout:
                result = "ERROR: it does not compile"
                print(done.stdout[-2000:])
            elif fallen:
                rest = f" and {len(fallen) - 2} more" if len(fallen) > 2 else ""
                result = ", ".join(fallen[:2]) + rest
            elif done.returncode:
                result = "a test program ended otherwise"
            else:
                result = "NOT CAUGHT"
        missed += result.split(":")[0] in ("STALE", "ERROR", "NOT CAUGHT")
        rows.append((what, file, result))
        print(f"{what:62} {time.time() - begin:5.0f} s  {result}", flush=True)
    table = ["| broken | file | test that fell |", "|---|---|---|"]
    table += [f"| {what} | `{file}` | {result} |" for what, file, result in rows]
    if arguments.markdown:
        arguments.markdown.write_text("\n".join(table) + "\n")
    print(f"\n{len(rows) - missed} of {len(rows)} were caught")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
