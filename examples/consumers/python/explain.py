"""Reads what each pixel adds to a classifier's score from a bundle of examples/explain.

Checks that the pixels of a row add up to the score less that of a black picture.
Nothing here comes from Lamina. Exit status: 0 every row adds up, 1 a row does not,
2 the bundle cannot be read or run.
"""

import argparse
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime

# How far a row may be from adding up, as a share of the greatest difference of
# scores: the path has 32 steps, and the classifier has kinks.
COMPLETE = 0.05


def explain(bundle):
    """Prints the first rows; returns whether all of them add up."""
    session = onnxruntime.InferenceSession(str(bundle / "model.onnx"), providers=["CPUExecutionProvider"])
    x = onnx.numpy_helper.to_array(onnx.load_tensor(bundle / "test_data_set_0" / "input_0.pb"))
    pixels, score, black = session.run(["contributions", "score", "black"], {"x": x})
    added = pixels.sum(axis=1, dtype=np.float64)
    for row in range(3):
        top = pixels[row].argmax()
        print(f"row {row}: score {score[row]:.4f}, {black[row]:.4f} of a black picture; its pixels add {added[row]:.4f}, "
              f"pixel {top} most of all: {pixels[row, top]:.4f}")
    want = score.astype(np.float64) - black
    worst, largest = np.abs(added - want).max(), np.abs(want).max()
    complete = bool(worst <= COMPLETE * largest)
    print(f"{len(x)} rows {'add up' if complete else 'do not add up'}: off by {worst:.4f} of {largest:.4f} at most")
    return complete


def main():
    parser = argparse.ArgumentParser(description="Explain what a classifier of digits reads.")
    parser.add_argument("bundle", type=pathlib.Path, help="the folder that holds model.onnx")
    bundle = parser.parse_args().bundle
    try:
        return 0 if explain(bundle) else 1
    except Exception as e:  # whatever a broken bundle makes onnx or onnxruntime raise
        print(f"cannot explain with {bundle}: {e}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
