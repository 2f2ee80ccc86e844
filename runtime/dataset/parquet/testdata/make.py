"""Writes table.parquet, which the test reads: python make.py (pyarrow 26.0.1)."""
import datetime as dt
import decimal
import sys

import pyarrow as pa
import pyarrow.parquet as pq

D = decimal.Decimal
utc = dt.timezone.utc
table = pa.table({
    "whole": pa.array([1, None, -3], pa.int64()),
    "byte": pa.array([200, 7, None], pa.uint8()),
    "great": pa.array([2**64 - 1, 0, 1], pa.uint64()),
    "float": pa.array([1.5, float("nan"), None], pa.float32()),
    "double": pa.array([0.1, -2e30, None], pa.float64()),
    "half": pa.array([0.5, None, -2.0], pa.float16()),
    "truth": pa.array([True, False, None], pa.bool_()),
    "text": pa.array(["é", "", None], pa.string()),
    "coded": pa.array(["a", "b", "a"]).dictionary_encode(),
    "price": pa.array([D("12.34"), D("-0.05"), None], pa.decimal128(10, 2)),
    "day": pa.array([dt.date(2000, 2, 29), dt.date(1969, 12, 31), None], pa.date32()),
    "moment": pa.array([dt.datetime(2013, 1, 1, 10, 0, 0, 250000, utc), None, dt.datetime(1969, 12, 31, 23, 59, 59, 0, utc)], pa.timestamp("us", tz="UTC")),
    "local": pa.array([dt.datetime(2013, 1, 1, 10, 0, 0), None, None], pa.timestamp("ms")),
    "clock": pa.array([dt.time(1, 0, 0, 500000), None, dt.time(0, 0, 1)], pa.time64("us")),
    "list": pa.array([[1, 2], [], None], pa.list_(pa.int64())),
    "group": pa.array([{"a": 1}, None, {"a": 2}], pa.struct([("a", pa.int64())])),
    "nothing": pa.array([None, None, None], pa.null()),
})
out = sys.argv[1] if len(sys.argv) > 1 else "table.parquet"
pq.write_table(table, out, compression="zstd", row_group_size=2)
assert pa.__version__ == "26.0.1", pa.__version__
