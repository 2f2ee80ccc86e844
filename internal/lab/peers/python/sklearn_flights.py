"""scikit-learn and pandas on the flights of the yardstick tabular (internal/lab/yardstick).

With --dir, a folder of index files of Lamina, each with the numbers of rows of the file from 0 on behind four lines of
heading: for every draw all-N-DRAW.index and, for each of its folds, fitted-N-DRAW-FOLD.index, and test.index. Gradient
boosted trees and logistic regression are fitted with each of a few settings on the fitted rows of each fold. The setting
with the greatest area under the ROC curve on the others of the draw, on average over the folds, is fitted on all of them,
and the scores of the test rows are written to trees-N-DRAW.npy and logistic-N-DRAW.npy. The inputs are those of the
row's own net.

With --read, pandas reads all columns of the file and encodes them as Lamina's dataset.Schema does: a matrix of float32
with dates as year and points on circles, and one of int64 with the numbers of categories. Prints the seconds.
"""
import argparse
import glob
import json
import os
import time

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # on a busy machine threads that spin wait for each other for minutes

import numpy as np
import pandas as pd

LATE = 30
FIRST = 2  # the id of a category's first value, as in dataset.Schema: 0 is one never seen, 1 a missing one
CATEGORIES = ["carrier", "tailnum", "origin", "dest"]
NUMBERS = ["year", "month", "day", "dep_time", "sched_dep_time", "dep_delay", "arr_time", "sched_arr_time", "arr_delay",
           "flight", "air_time", "distance", "hour", "minute"]


def read(file):
    """Returns all columns as two matrices."""
    table = pd.read_csv(file, dtype={c: "category" for c in CATEGORIES}, engine="c")
    ids = np.column_stack([table[c].cat.codes.to_numpy(np.int64) + FIRST for c in CATEGORIES])  # a missing one has the code -1
    date = pd.to_datetime(table["time_hour"], format="%Y-%m-%dT%H:%M:%SZ").dt
    columns = [table[c].to_numpy(np.float32) for c in NUMBERS] + [date.year.to_numpy(np.float32)]
    for part, of in ((date.month - 1 + (date.day - 1) / date.days_in_month, 12), (date.weekday, 7), (date.hour + date.minute / 60, 24)):
        turn = 2 * np.pi * part.to_numpy() / of
        columns += [np.sin(turn).astype(np.float32), np.cos(turn).astype(np.float32)]
    return np.column_stack(columns), ids


def known(file):
    """Returns what is known before departure, numbers and categories, and whether the flight was late, -1 if it did not arrive."""
    columns = ["year", "month", "day", "hour", "minute", "sched_arr_time", "distance", "carrier", "origin", "dest", "arr_delay"]
    table = pd.read_csv(file, usecols=columns)
    clock = table["sched_arr_time"]
    numbers = np.column_stack([table["hour"] + table["minute"] / 60, clock // 100 + clock % 100 / 60, table["distance"]]).astype(np.float64)
    weekday = pd.to_datetime(table[["year", "month", "day"]]).dt.weekday
    categories = np.column_stack([table["month"] - 1, weekday] + [table[c].astype("category").cat.codes for c in ("carrier", "origin", "dest")]).astype(np.int64)
    y = np.where(table["arr_delay"].isna(), -1, table["arr_delay"] > LATE).astype(np.int64)
    return numbers, categories, y


def index(path):
    """Reads an index file of Lamina."""
    with open(path) as f:
        lines = f.read().splitlines()
    if lines[0] != "lamina index 1":
        raise SystemExit(f"{path} is no index of Lamina")
    if lines[-1] != f"rows {len(lines) - 5}":
        raise SystemExit(f"{path} is cut short")
    return np.array(lines[4:-1], dtype=np.int64)


def trees(rate, leaves, least):
    """Gradient boosted trees, which take categories as they are."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    return HistGradientBoostingClassifier(learning_rate=rate, max_iter=100, max_leaf_nodes=leaves, min_samples_leaf=least,
                                          categorical_features=[3, 4, 5, 6, 7], early_stopping=False, random_state=0)


def logistic(c):
    """Logistic regression of standardised numbers and a column for each value of a category."""
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler
    columns = ColumnTransformer([("numbers", StandardScaler(), [0, 1, 2]), ("categories", OneHotEncoder(handle_unknown="ignore"), [3, 4, 5, 6, 7])])
    return make_pipeline(columns, LogisticRegression(C=c, max_iter=1000))


# What is chosen among, four settings each.
MODELS = {
    "trees": [lambda r=r, n=n, m=m: trees(r, n, m) for r, n, m in ((0.02, 3, 20), (0.03, 8, 100), (0.1, 4, 50), (0.1, 16, 20))],
    "logistic": [lambda c=c: logistic(c) for c in (0.01, 0.03, 0.1, 1.0)],
}


def compare(file, folder):
    """Writes the scores of the test rows for every draw in the folder."""
    from sklearn.metrics import roc_auc_score
    numbers, categories, y = known(file)
    x = np.column_stack([numbers, categories])
    test = index(os.path.join(folder, "test.index"))
    for path in sorted(glob.glob(os.path.join(folder, "all-*.index"))):
        draw = os.path.basename(path)[len("all-"):-len(".index")]
        every = index(path)
        folds = []
        for part in sorted(glob.glob(os.path.join(folder, f"fitted-{draw}-*.index"))):
            fitted = index(part)
            folds.append((fitted, np.setdiff1d(every, fitted)))
        for name, settings in MODELS.items():
            out = os.path.join(folder, f"{name}-{draw}.npy")
            if os.path.exists(out):
                continue
            areas = [np.mean([roc_auc_score(y[held], make().fit(x[fitted], y[fitted]).decision_function(x[held])) for fitted, held in folds])
                     for make in settings]
            scores = settings[int(np.argmax(areas))]().fit(x[every], y[every]).decision_function(x[test])
            with open(out + ".new", "wb") as f:
                np.save(f, scores.astype(np.float64))
            os.replace(out + ".new", out)


def main():
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument("--file", required=True, help="flights.csv.gz")
    flags.add_argument("--dir", help="folder of index files, for the scores too")
    flags.add_argument("--read", action="store_true", help="read and encode the whole file")
    a = flags.parse_args()
    if a.read:
        began = time.perf_counter()
        numbers, ids = read(a.file)
        seconds = time.perf_counter() - began
        print(json.dumps({"rows": len(ids), "seconds": seconds, "sum": float(np.nansum(numbers, dtype=np.float64)) + int(ids.sum())}))
    elif a.dir:
        compare(a.file, a.dir)
    else:
        flags.error("either --dir or --read")


if __name__ == "__main__":
    main()
