"""Trains a head on the codes of an encoder, with the two bundles of examples/ondevice.

One makes codes, the other makes one update of the head: a loop is all that is left to
write. Nothing here comes from Lamina. Exit status: 0 the loss fell, 1 it did not, 2 a
bundle cannot be read or run.
"""

import argparse
import pathlib
import sys

import onnx
import onnxruntime


def load(bundle):
    """Returns the session of a bundle and the inputs of its first test set by name."""
    session = onnxruntime.InferenceSession(str(bundle / "model.onnx"), providers=["CPUExecutionProvider"])
    files = (bundle / "test_data_set_0" / f"input_{i}.pb" for i in range(len(session.get_inputs())))
    return session, {i.name: onnx.numpy_helper.to_array(onnx.load_tensor(f)) for i, f in zip(session.get_inputs(), files)}


def train(encoder, update, updates):
    """Prints the loss of every tenth update; returns whether it fell."""
    encode, pictures = load(encoder)
    step, feed = load(update)  # labels, a rate, and a head to begin with
    (feed["code"],) = encode.run(["code"], pictures)
    losses = []
    for i in range(updates + 1):
        feed["w"], feed["b"], loss = step.run(["w_next", "b_next", "loss"], feed)
        losses.append(float(loss))
        if i % 10 == 0:
            print(f"update {i + 1:3}: loss {losses[-1]:.6f}")
    return losses[-1] < losses[0]


def main():
    parser = argparse.ArgumentParser(description="Train a head where the file runs.")
    parser.add_argument("encoder", type=pathlib.Path, help="the folder that holds the encoder's model.onnx")
    parser.add_argument("update", type=pathlib.Path, help="the folder that holds the update's model.onnx")
    parser.add_argument("updates", type=int, nargs="?", default=100)
    a = parser.parse_args()
    try:
        return 0 if train(a.encoder, a.update, a.updates) else 1
    except Exception as e:  # whatever a broken bundle makes onnx or onnxruntime raise
        print(f"cannot train: {e}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
