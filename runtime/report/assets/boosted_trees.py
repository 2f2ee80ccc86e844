"""Gradient-boosted trees of scikit-learn on the draws of a label curve.

    python boosted_trees.py [FOLDER OF THE DRAWS] > trees.txt

and then the same curve again with --join trees=trees.txt.
"""

import pathlib
import re
import sys

import numpy
from sklearn.ensemble import HistGradientBoostingClassifier


def index(path):
    # Four lines say what the numbers are of, the last how many they are.
    return numpy.array([int(line) for line in path.read_text().splitlines()[4:-1]])


def main(folder):
    if not (folder / "rows-x.npy").exists():
        sys.exit(f"{folder} has no rows-x.npy: either it is not the folder draws of a label curve, or the rows were too large to be written, which its page says")
    x, y = numpy.load(folder / "rows-x.npy"), numpy.load(folder / "rows-y.npy")
    rows = (folder / "rows.sha256").read_text().strip()
    ids = [k for k in numpy.load(folder / "rows-ids.npy") if x[:, k].max() < 255]  # of categories; trees take no more of them
    test = folder / "test-x.npy"
    print("lamina predictions 1")
    print("rows", rows)
    print("test", (folder / "test.sha256").read_text().strip() if test.exists() else rows)
    print("draw,fold,labels,row,predicted")
    if test.exists():
        measured = numpy.load(test), numpy.flatnonzero(numpy.load(folder / "test-y.npy") >= 0)
    for path in sorted(folder.glob("draw*.txt")):
        found = re.fullmatch(r"draw(\d+)(?:-fold(\d+))?-(\d+)", path.stem)
        if not found:
            continue
        draw, fold, labels = (int(n or 0) for n in found.groups())
        chosen = index(path)
        if fold:
            measured = x, index(folder / f"draw{draw:03d}-fold{fold}-test.txt")
        # The rarest class may have fewer rows than an early stopping wants, so there is none.
        trees = HistGradientBoostingClassifier(
            min_samples_leaf=max(1, min(20, labels // 10)), early_stopping=False, categorical_features=ids or None, random_state=draw
        )
        trees.fit(x[chosen], y[chosen])
        for row, k in zip(measured[1], trees.predict(measured[0][measured[1]])):
            print(f"{draw},{fold},{labels},{row},{k}")


main(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent))
