"""Writes cast.txt: what NumPy (and ml_dtypes for bf16) makes of edge values of
every element type in every other.

    python make.py > cast.txt
"""
import math
import warnings

import ml_dtypes
import numpy as np

warnings.simplefilter("ignore")
TYPES = {
    "f32": np.float32, "f64": np.float64, "i64": np.int64, "bool": np.bool_,
    "u8": np.uint8, "u16": np.uint16, "u32": np.uint32, "u64": np.uint64,
    "i8": np.int8, "i16": np.int16, "i32": np.int32,
    "f16": np.float16, "bf16": ml_dtypes.bfloat16,
}
FLOATS = {"f32", "f64", "f16", "bf16"}
INTS = sorted({s * v for v in [0, 1, 2, 3, 7, 100, 127, 128, 129, 200, 255, 256, 257, 300, 2047, 2048, 2049, 2050, 2051,
                               4097, 32767, 32768, 32769, 65503, 65504, 65519, 65520, 65535, 65536, 65537, 65664,
                               (1 << 24) - 1, 1 << 24, (1 << 24) + 1, (1 << 24) + 3, (1 << 31) - 1, 1 << 31, (1 << 32) - 1,
                               1 << 32, (1 << 53) - 1, (1 << 53) + 1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1] for s in (1, -1)})
REALS = [0.0, -0.0, 0.5, -0.5, 0.99, 1.0, -1.0, 1.5, -1.5, 2.5, 0.1, -0.1, 1 / 3, 127.5, 128.0, 200.7, 255.9, 256.0, 300.0,
         # bf16 and f16: ties, to even both ways
         1 + 2**-8, 1 + 3 * 2**-8, 1 + 2**-11, 1 + 3 * 2**-11, -(1 + 2**-11), 1 + 2**-8 + 2**-20, 1 + 2**-11 + 2**-20,
         2049.0, 2051.0, 65503.0, 65504.0, 65519.0, 65519.99, 65520.0, 65536.0, 1e5,
         # the least normal and subnormal numbers of f16
         2**-14, 2**-14 - 2**-24, 2**-24, 2**-25, 2**-25 * 1.0001, 3 * 2**-25, -(2**-25), 5 * 2**-26, 2**-15 + 2**-24, 1e-9,
         # and of bf16 and f32
         2.0**-126, 2.0**-126 - 2.0**-133, 2.0**-133, 2.0**-134, 2.0**-134 * 1.0001, 3 * 2.0**-134, 2.0**-149, 2.0**-150, -(2.0**-149), 1e-300,
         # the greatest numbers
         3.3895313892515355e38, 3.39e38, 3.4028234663852886e38, 3.4028235677973366e38, 3.4e38, 1e39, 1.7976931348623157e308,
         2147483647.0, 2147483648.0, 2147483520.0, -2147483648.0, -2147483649.0, 4294967295.0, 4294967296.0, 5000000256.0,
         9007199254740991.0, 9223372036854774784.0, 9.223372036854775807e18, -9.223372036854775808e18, 1.8446744073709549568e19, 1.9e19, -1.9e19,
         -128.0, -129.0, -255.0, -32768.5, math.nan, math.inf, -math.inf]


def text(x, t):
    if t in FLOATS:
        return repr(float(x))
    return str(bool(x)).lower() if t == "bool" else str(int(x))


def edges(t):
    if t == "bool":
        return [False, True]
    if t in FLOATS:
        values = REALS
    else:
        i = np.iinfo(TYPES[t])
        values = [v for v in INTS + [int(i.min), int(i.max)] if i.min <= v <= i.max]
    seen, out = set(), []
    for v in values:
        x = TYPES[t](v)
        if text(x, t) not in seen:
            seen.add(text(x, t))
            out.append(x)
    return out


def defined(x, f, t):
    """Leaves out where NumPy's result depends on the length of the array, or is rounded twice."""
    if t == "u32" and f in FLOATS:
        return math.isfinite(x) and abs(float(x)) < 2.0**63
    if t in ("f16", "bf16") and f == "f64" and math.isfinite(x):
        return float(np.float32(x)) == float(x) or abs(float(x)) > 1e38
    if t == "bf16" and f not in FLOATS:
        return int(np.float32(x)) == int(x) if t != "bool" else True
    return True


for f in TYPES:
    for t in TYPES:
        pairs = []
        for x in edges(f):
            if f != t and defined(x, f, t):
                y = np.array([x], dtype=TYPES[f]).astype(TYPES[t])[0]
                pairs.append(text(x, f) + "=" + text(y, t))
        if pairs:
            print(f, t, " ".join(pairs))
