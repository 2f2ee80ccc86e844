"""Runs the rows of a CSV file through a Lamina bundle of a table.

Nothing here comes from Lamina: the schema in training.json says what becomes of
a row, and the stock onnxruntime runs it. Prints the outputs as JSON, a list of
rows for each. Exit status: 0, or 2 if the bundle or the rows cannot be read.
"""

import argparse
import calendar
import csv
import datetime
import gzip
import json
import math
import pathlib
import re
import sys

import numpy as np
import onnxruntime

USUALLY_MISSING = {"na", "n/a", "nan", "null", "none", "?", "-"}
UNSEEN, MISSING, FIRST = 0, 1, 2  # ids: of a text that training had not, of none, of the first of values


def whole(text):
    """Returns a whole number without the decimals .0, and any other text as it is."""
    return re.sub(r"^(-?[0-9]+)\.0+$", r"\1", text)


def plain(text):
    """Returns a text as it is compared with values when none is the same."""
    return text.lower() if text.lower() in ("true", "false") else whole(text)


NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")  # float() takes 1_000, inf and other digits too
BEYOND = 2.0**128 - 2.0**103  # what float32 rounds to infinity, and all above
DAY, TIME = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII), re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}.*", re.ASCII)


def number(text, decimal):
    """Returns a number of float32."""
    text = text.replace(".", " ").replace(decimal, ".") if decimal != "." else text
    if not NUMBER.fullmatch(text) or not abs(float(text)) < BEYOND:
        raise ValueError(f"{text} is not a finite number")
    return float(text)


def missing(field, text):
    """Says whether a text stands for no value."""
    if text == "":
        return True
    if spellings := field.get("missing"):
        return text in spellings or whole(text) in map(whole, spellings)
    return text.lower() in USUALLY_MISSING


def circle(share):
    return [math.sin(2 * math.pi * share), math.cos(2 * math.pi * share)]


def date_parts(text, clock):
    """Returns the parts of an ISO date: the year, and places on circles of month, weekday and, with a clock, hour."""
    if not (TIME if clock else DAY).fullmatch(text):
        raise ValueError(f"{text} is no date {'with' if clock else 'without'} a time")
    t = datetime.datetime.fromisoformat(text)
    days = calendar.monthrange(t.year, t.month)[1]
    parts = [t.year] + circle((t.month - 1 + (t.day - 1) / days) / 12) + circle(t.weekday() / 7)
    if clock:
        parts += circle((3600 * t.hour + 60 * t.minute + t.second) / 86400)
    return parts


def read(schema, path):
    """Returns numeric and categorical of the rows of a CSV file, whatever the order of its columns."""
    decimal = schema.get("decimal", ".")
    opened = gzip.open if path.suffix == ".gz" else open
    numeric, categorical = [], []
    inputs = [f for f in schema["fields"] if f["kind"] in ("number", "category", "date")]
    ids = {f["name"]: {spelling(v): FIRST + i for spelling in (plain, str) for i, v in enumerate(f.get("values", []))} for f in inputs}
    with opened(path, "rt", encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file, delimiter=schema.get("comma") or ",")
        absent = [f["name"] for f in inputs if f["name"] not in (rows.fieldnames or [])]
        if absent:
            raise ValueError(f"{path}: there is no column {', '.join(absent)}")
        for row in rows:
            if None in row or None in row.values():
                raise ValueError(f"{path}: line {rows.line_num} has not as many fields as the header")
            x, c = [], []
            for f in inputs:
                text = row[f["name"]].strip()
                none = missing(f, text)
                try:
                    if f["kind"] == "category":
                        c.append(MISSING if none else ids[f["name"]].get(text, ids[f["name"]].get(plain(text), UNSEEN)))
                    elif f["kind"] == "number":
                        x.append(math.nan if none else number(text, decimal))
                    elif f["format"] not in ("2006-01-02", "2006-01-02T15:04:05Z07:00"):
                        raise ValueError(f"this program reads dates of ISO 8601, not {f['format']}")
                    else:
                        clock = len(f["format"]) > 10
                        x += [math.nan] * (7 if clock else 5) if none else date_parts(text, clock)
                except ValueError as e:
                    raise ValueError(f"{path}: line {rows.line_num}: column {f['name']}: {e}") from None
            numeric.append(x)
            categorical.append(c)
    return np.array(numeric, np.float32), np.array(categorical, np.int64)


def run(bundle, path):
    schema = json.loads((bundle / "training.json").read_text(encoding="utf-8")).get("schema")
    if schema is None:
        raise ValueError("the bundle was not trained on rows of a table")
    session = onnxruntime.InferenceSession(str(bundle / "model.onnx"), providers=["CPUExecutionProvider"])
    numeric, categorical = read(schema, path)
    columns = {"numeric": numeric, "categorical": categorical}
    feed = {i.name: columns[i.name] for i in session.get_inputs()}
    names = [o.name for o in session.get_outputs()]
    return {name: x.tolist() for name, x in zip(names, session.run(names, feed))}


def main():
    parser = argparse.ArgumentParser(description="Run the rows of a CSV file through a Lamina bundle of a table.")
    parser.add_argument("bundle", type=pathlib.Path, help="the folder that holds model.onnx and training.json")
    parser.add_argument("rows", type=pathlib.Path, help="a CSV file, plain or .gz")
    args = parser.parse_args()
    try:
        json.dump(run(args.bundle, args.rows), sys.stdout)
        print()
    except Exception as e:  # whatever a broken bundle makes onnxruntime raise
        print(f"cannot run {args.rows} through {args.bundle}: {e}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
