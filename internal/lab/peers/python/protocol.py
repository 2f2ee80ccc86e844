"""What the Python peers share: the works, the data, the clock and the report.

A peer calls main(name, version, build, precisions), where build(work, threads, mode, precision)
returns step(x), which trains on one float32 array of (batch, inputs) and returns the loss as a
float; for images x is (batch, channels, height, width), and step(x, y) also gets int64 labels if
the work has classes. In precision bf16 the operands of products are bfloat16; parameters, the optimizer's
state and the loss stay float32.
"""
import argparse
import json
import os
import resource
import statistics
import sys
import time

CREATED = time.time()
ROWS = 8192

# Layer widths, the batch the work is defined with, and whether the decoder reuses the encoder's
# matrices transposed. ReLU follows every layer but those of `linear`; the loss is the mean
# squared error; the optimizer is Adam with a step of 1e-3. "rbm" is one CD-1 update of a
# Bernoulli machine, by SGD with a step of 0.1.
WORKS = {
    "tied-ae": dict(widths=[784, 100, 30, 100, 784], linear=[3], tied=True, batch=256),
    "deep-ae": dict(widths=[784, 1000, 500, 250, 30, 250, 500, 1000, 784], linear=[3, 7], tied=False, batch=256),
    "tiny-ae": dict(widths=[32, 16, 4, 16, 32], linear=[3], tied=False, batch=32),
    "rbm": dict(widths=[784, 500], linear=[], tied=False, batch=100),
    # Images. conv-ae: convolution 3x3x16, ReLU, pooling 2x2, convolution 3x3x32, ReLU, pooling 2x2,
    # dense 1568-32; dense 32-1568, ReLU, transposed convolutions of 2x2 and stride 2 to 16 channels,
    # ReLU, and to 1; mean squared error, Adam with a step of 1e-3.
    "conv-ae": dict(shape=[1, 28, 28], classes=0, macs=3575040, params=108881, batch=256),
    # ResNet-20 (He et al. 2016, section 4.2) with batch normalisation, and 1x1 projections where the
    # width doubles; cross-entropy of random labels, SGD with a step of 0.1 and momentum 0.9.
    "resnet20": dict(shape=[3, 32, 32], classes=10, macs=121997184, params=272474, batch=128),
}

# The widths of the stem and of the blocks of ResNet-20.
BLOCKS = [16] * 4 + [32] * 3 + [64] * 3


def images(work):
    """Whether the rows of a work are images."""
    return "shape" in WORKS[work]


def counted(work, parameters):
    """Refuses a net of images that is not the work's, by its number of parameters."""
    if parameters != WORKS[work]["params"]:
        raise SystemExit(f"{work} has {WORKS[work]['params']} parameters, this net {parameters}")


def flops(work):
    """Floating-point operations of one step for one row: products only, none for the input's gradient."""
    if images(work):
        return 2 * WORKS[work]["macs"]
    widths = WORKS[work]["widths"]
    if work == "rbm":
        return 2 * 5 * widths[0] * widths[1]
    products = [a * b for a, b in zip(widths, widths[1:])]
    return 2 * (3 * sum(products) - products[0])


def batches(work, size):
    """Yields shuffled batches for ever, each gathered from the rows as it is asked for: (x,), or (x, y) with labels."""
    import numpy as np
    rng = np.random.default_rng(7)
    sizes = WORKS[work]
    x = rng.random((ROWS, *sizes["shape"]) if images(work) else (ROWS, sizes["widths"][0]), dtype=np.float32)
    columns = [x]
    if sizes.get("classes"):
        columns.append(rng.integers(0, sizes["classes"], ROWS))
    while True:
        order = rng.permutation(ROWS)
        for at in range(0, ROWS - size + 1, size):
            yield [c[order[at:at + size]] for c in columns]


def measure(step, feed, size, seconds):
    """Returns the rates, in rows a second, of stretches of about 0.1 s, and the last loss."""
    began = time.perf_counter()
    step(*next(feed))
    stretch = max(1, int(0.1 / max(time.perf_counter() - began, 1e-6)))
    rates, loss, end = [], 0.0, time.perf_counter() + seconds
    while not rates or time.perf_counter() < end:
        began = time.perf_counter()
        for _ in range(stretch):
            loss = step(*next(feed))
        rates.append(stretch * size / (time.perf_counter() - began))
    return rates, loss


def main(name, version, build, precisions=("fp32",)):
    flags = argparse.ArgumentParser(description=f"trains one of the works with {name}")
    flags.add_argument("--work", choices=WORKS, default="tied-ae")
    flags.add_argument("--threads", type=int, default=os.cpu_count())
    flags.add_argument("--mode", default="default")
    flags.add_argument("--precision", choices=precisions, default="fp32", help="of the products' operands")
    flags.add_argument("--batch", type=int, default=0, help="rows of a step; 0 is the work's own")
    flags.add_argument("--seconds", type=float, default=2)
    flags.add_argument("--wait", action="store_true", help="measure once for every line of standard input")
    a = flags.parse_args()
    size = a.batch or WORKS[a.work]["batch"]
    if not 0 < size <= ROWS:
        flags.error(f"--batch {size}: there are {ROWS} rows")
    feed = batches(a.work, size)
    step = build(a.work, a.threads, a.mode, a.precision)
    first_loss = step(*next(feed))
    # The process that started this one may say when: importing begins before CREATED.
    first_step = time.time() - float(os.environ.get("PEER_STARTED", CREATED))
    for _ in range(10):
        step(*next(feed))
    print("ready", file=sys.stderr, flush=True)
    for _ in sys.stdin if a.wait else range(1):
        rates, loss = measure(step, feed, size, a.seconds)
        rate = statistics.median(rates)
        print(json.dumps({
            "peer": name, "mode": a.mode, "precision": a.precision, "version": version(),
            "work": a.work, "threads": a.threads, "batch": size,
            "samples_per_s": round(rate), "best": round(max(rates)), "us_per_step": round(1e6 * size / rate, 1),
            "gflops": round(rate * flops(a.work) / 1e9, 2), "first_step_s": round(first_step, 3),
            "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            "loss": [round(first_loss, 5), round(loss, 5)],
        }), flush=True)
