"""Replays the test sets of a Lamina bundle on the stock onnxruntime.

Nothing here comes from Lamina. Exit status: 0 every set holds, 1 a set
differs, 2 the bundle cannot be read or run.
"""

import argparse
import json
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime


def tensors(folder, kind, count):
    """Returns input_0.pb, input_1.pb, … or output_0.pb, … of a set."""
    found = len(list(folder.glob(f"{kind}_*.pb")))
    if found != count:
        raise ValueError(f"{folder.name}: {found} {kind} files, the model has {count} {kind}s")
    files = (folder / f"{kind}_{i}.pb" for i in range(count))
    return [onnx.numpy_helper.to_array(onnx.load_tensor(f)) for f in files]


def difference(got, want, rtol, atol):
    """Says how got differs from want, or returns None."""
    if got.shape != want.shape or got.dtype != want.dtype:
        return f"is {got.dtype}{list(got.shape)}, want {want.dtype}{list(want.shape)}"
    wrong = np.argwhere(~np.isclose(got, want, rtol=rtol, atol=atol, equal_nan=True))
    if len(wrong):
        at = tuple(wrong[0].tolist())
        return f"{len(wrong)} of {want.size} elements, the first at {list(at)}: {got[at]}, want {want[at]}"
    return None


def replay(bundle):
    """Prints a line for each test set; returns whether all of them hold."""
    model = str(bundle / "model.onnx")
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    inputs = [i.name for i in session.get_inputs()]
    outputs = [o.name for o in session.get_outputs()]
    sets = sorted(bundle.glob("test_data_set_*"))
    if not sets:
        raise ValueError(f"no test_data_set_* in {bundle}")
    tolerance = json.loads((bundle / "data.json").read_text())
    rtol, atol = tolerance["rtol"], tolerance["atol"]
    holds = True
    for folder in sets:
        feed = dict(zip(inputs, tensors(folder, "input", len(inputs))))
        want = tensors(folder, "output", len(outputs))
        bad = []
        for name, g, w in zip(outputs, session.run(outputs, feed), want):
            if text := difference(g, w, rtol, atol):
                bad.append(f"{name} {text}")
        holds = holds and not bad
        verdict = "differs: " + "; ".join(bad) if bad else "holds"
        print(f"{folder.name} (rtol {rtol:g}, atol {atol:g}): {verdict}")
    return holds


def main():
    parser = argparse.ArgumentParser(description="Replay the test sets of a Lamina bundle.")
    parser.add_argument("bundle", type=pathlib.Path, help="the folder that holds model.onnx")
    bundle = parser.parse_args().bundle
    try:
        return 0 if replay(bundle) else 1
    except Exception as e:  # whatever a broken bundle makes onnx or onnxruntime raise
        print(f"cannot replay {bundle}: {e}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
