"""What the Python peers share: the works, the data, the clock and the report.

A peer calls main(name, version, build, precisions), where build(work, threads, mode, precision)
returns step(batch), which trains on one float32 array of (batch, inputs) and returns the loss as
a float. In precision bf16 the operands of products are bfloat16; parameters, the optimizer's
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
}


def flops(work):
    """Floating-point operations of one step for one row: products only, none for the input's gradient."""
    widths = WORKS[work]["widths"]
    if work == "rbm":
        return 2 * 5 * widths[0] * widths[1]
    products = [a * b for a, b in zip(widths, widths[1:])]
    return 2 * (3 * sum(products) - products[0])


def batches(width, size):
    """Yields shuffled batches for ever, each gathered from the rows as it is asked for."""
    import numpy as np
    rng = np.random.default_rng(7)
    x = rng.random((ROWS, width), dtype=np.float32)
    while True:
        order = rng.permutation(ROWS)
        for at in range(0, ROWS - size + 1, size):
            yield x[order[at:at + size]]


def measure(step, feed, size, seconds):
    """Returns the rates, in rows a second, of stretches of about 0.1 s, and the last loss."""
    began = time.perf_counter()
    step(next(feed))
    stretch = max(1, int(0.1 / max(time.perf_counter() - began, 1e-6)))
    rates, loss, end = [], 0.0, time.perf_counter() + seconds
    while not rates or time.perf_counter() < end:
        began = time.perf_counter()
        for _ in range(stretch):
            loss = step(next(feed))
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
    feed = batches(WORKS[a.work]["widths"][0], size)
    step = build(a.work, a.threads, a.mode, a.precision)
    first_loss = step(next(feed))
    # The process that started this one may say when: importing begins before CREATED.
    first_step = time.time() - float(os.environ.get("PEER_STARTED", CREATED))
    for _ in range(10):
        step(next(feed))
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
