"""Stacked autoencoders in Keras, block by block: what main.go beside this file does in Go.

    python article.py                              every block
    python article.py --blocks greedy-as-printed   what becomes of the greedy code that trains on reconstructions
    python article.py --record losses.json         the first losses from shared weights, for the test in Go

Keras 3 on any backend. The digits are the slice of MNIST that is part of Lamina, or with --data the IDX files of a folder.
"""
import argparse
import gzip
import json
import os
import pathlib

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

EMBEDDED = pathlib.Path(__file__).resolve().parents[2] / "runtime" / "dataset" / "digits"


def idx(folder, name):
    """The values of an IDX file of bytes, gzip or not."""
    path = next(p for p in (folder / name, folder / f"{name}.gz") if p.exists())
    raw = (gzip.open if path.suffix == ".gz" else open)(path, "rb").read()
    shape = np.frombuffer(raw, ">i4", raw[3], 4)
    return np.frombuffer(raw, np.uint8, -1, 4 + 4 * raw[3]).reshape(shape)


def load(folder):
    """Images [28 28] in [0, 1] and labels, to train on and to test."""
    return [(idx(folder, f"{part}-images-idx3-ubyte").astype("float32") / 255, idx(folder, f"{part}-labels-idx1-ubyte"))
            for part in ("train", "t10k")]


def said(e):
    """An exception in a line."""
    return f"{type(e).__name__}: {str(e).strip().splitlines()[0]}"


@keras.saving.register_keras_serializable("stacked")
class Tied(keras.layers.Layer):
    """y = x·wᵀ + b with the kernel w of a Dense layer that was built before; b is its own."""

    def __init__(self, dense, **options):
        super().__init__(**options)
        self.dense = dense

    def build(self, shape):
        self.b = self.add_weight(name="b", shape=(self.dense.kernel.shape[0],), initializer="zeros")

    def call(self, x):
        return keras.ops.matmul(x, keras.ops.transpose(self.dense.kernel)) + self.b


def stack():
    first, second = keras.layers.Dense(100, name="dense1"), keras.layers.Dense(30, name="dense2")
    encoder = keras.Sequential([keras.Input((28, 28)), keras.layers.Flatten(),
                                first, keras.layers.ReLU(), second, keras.layers.ReLU()], name="encoder")
    decoder = keras.Sequential([keras.Input((30,)), Tied(second, name="tied1"), keras.layers.ReLU(),
                                Tied(first, name="tied2"), keras.layers.Reshape((28, 28))], name="decoder")
    return encoder, decoder


def model(encoder, decoder):
    whole = keras.Sequential([encoder, decoder], name="stacked")
    whole.compile(optimizer="adam", loss="mse")
    return whole


def fit(encoder, decoder, train, test, epochs):
    ae = model(encoder, decoder)
    ae.summary(expand_nested=True)
    history = ae.fit(train, train, epochs=epochs, batch_size=256, validation_data=(test, test), verbose=0).history
    for e, (loss, held) in enumerate(zip(history["loss"], history["val_loss"]), 1):
        print(f"epoch {e:2}  train {loss:.5f}  test {held:.5f}")
    return ae


def pictures(ae, test, path):
    both = np.concatenate([test[:10], ae.predict(test[:10], verbose=0)]).clip(0, 1)
    sheet = both.reshape(2, 10, 28, 28).transpose(0, 2, 1, 3).reshape(56, 280)
    path.write_bytes(b"P5 280 56 255\n" + (255 * sheet).astype(np.uint8).tobytes())


def greedy(train, test, epochs):
    encoder, decoder = stack()
    flat, first, relu1, second, relu2 = encoder.layers
    tied1, relu3, tied2, image = decoder.layers

    stage1 = keras.Sequential([keras.Input((28, 28)), flat, first, relu1, tied2, image], name="stage1")
    stage1.compile(optimizer="adam", loss="mse")
    one = stage1.fit(train, train, epochs=epochs, batch_size=256, verbose=0).history["loss"]

    codes = keras.Sequential([keras.Input((28, 28)), flat, first, relu1]).predict(train, verbose=0)
    stage2 = keras.Sequential([keras.Input((100,)), second, relu2, tied1, relu3], name="stage2")
    stage2.compile(optimizer="adam", loss="mse")
    two = stage2.fit(codes, codes, epochs=epochs, batch_size=256, verbose=0).history["loss"]
    ae = model(encoder, decoder)
    print(f"greedy: stage 1 {one[-1]:.5f} of pixels, stage 2 {two[-1]:.5f} of codes {codes.shape[1:]}; "
          f"the stack of both, test {ae.evaluate(test, test, verbose=0):.5f}")
    return ae


def classify(encoder, train, test, few, epochs):
    def head(below):
        c = keras.Sequential([below, keras.layers.Dense(10)])
        c.compile(optimizer="adam", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
        c.fit(train[0][few], train[1][few], epochs=epochs, batch_size=50, verbose=0)
        return c.evaluate(*test, verbose=0)[1]
    print(f"classifier of {len(few)} labels: from scratch {100 * head(stack()[0]):.2f} %, on the reused encoder {100 * head(encoder):.2f} %")


def as_printed(train, test, epochs):
    """The second stage on what the first autoencoder predicts, in the ways in which that can be written."""
    def first_stage(shaped):
        encoder, decoder = stack()
        layers = encoder.layers[:3] + decoder.layers[2:] if shaped else encoder.layers[:3] + decoder.layers[2:3]
        ae = keras.Sequential([keras.Input((28, 28)), *layers])
        ae.compile(optimizer="adam", loss="mse")
        target = train if shaped else train.reshape(-1, 784)
        ae.fit(train, target, epochs=epochs, batch_size=256, verbose=0)
        return encoder, ae

    def second_stage(name, second, x):
        print(f"{name}: fed {list(x.shape[1:])}, kernel {list(second.kernel.shape) if second.built else 'not built yet'}")
        try:
            if not second.built:
                second.build(x.shape)
            ae = keras.Sequential([keras.Input(x.shape[1:]), second, keras.layers.ReLU(), Tied(second), keras.layers.ReLU()])
            ae.compile(optimizer="adam", loss="mse")
            loss = ae.fit(x, x, epochs=epochs, batch_size=256, verbose=0).history["loss"]
            print(f"  trains without a word: kernel {list(second.kernel.shape)}, loss {loss[0]:.5f} to {loss[-1]:.5f}")
        except Exception as e:
            print(f"  {said(e)}")
            return
        try:
            stacked = keras.Sequential([keras.Input((28, 28)), *encoder.layers[:3], second])
            print(f"  placed behind the first layer: gives {list(stacked.output_shape[1:])}")
        except Exception as e:
            print(f"  placed behind the first layer, {said(e)}")

    encoder, ae = first_stage(False)
    flat = ae.predict(train, verbose=0)
    try:
        ae.fit(train, train, epochs=1, batch_size=256, verbose=0)
        print("a flat reconstruction against images [28 28] as targets: trains without a word")
    except Exception as e:
        print(f"a flat reconstruction against images [28 28] as targets, {said(e)}")
    second_stage("the stack's second layer, on flat reconstructions", encoder.layers[3], flat)
    second_stage("a layer not yet built, on flat reconstructions", keras.layers.Dense(30), flat)
    encoder, ae = first_stage(True)
    images = ae.predict(train, verbose=0)
    second_stage("the stack's second layer, on reconstructions [28 28]", encoder.layers[3], images)
    second_stage("a layer not yet built, on reconstructions [28 28]", keras.layers.Dense(30), images)
    codes = keras.Sequential([keras.Input((28, 28)), *encoder.layers[:3]]).predict(train, verbose=0)
    second_stage("the stack's second layer, on codes", encoder.layers[3], codes)


def save(ae, path):
    """Whether a model with the tied layer comes back from its own file."""
    try:
        ae.save(path)
        keras.saving.load_model(path)
        print(f"saved and loaded {path.name}")
    except Exception as e:
        print(f"{path.name}, {said(e)}")


def number(i):
    """The i-th of a fixed sequence of numbers in [-1, 1): a hash of i, so that Go has the same bits."""
    x = np.asarray(i, np.uint32)
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        x = (x ^ (x >> np.uint32(shift))) * np.uint32(factor)
    return ((x ^ (x >> np.uint32(16))) >> np.uint32(8)) / 2.0**23 - 1


def shared_weights():
    """Kernels between ±√(6/(in+out)) and biases of zero, under the names of the parameters in Go."""
    kernels = {"encoder/dense1/w": (784, 100), "encoder/dense2/w": (100, 30)}
    weights, at = {}, 0
    for name, shape in kernels.items():
        n = shape[0] * shape[1]
        weights[name] = (number(np.arange(at, at + n)) * np.sqrt(6 / sum(shape))).astype("float32").reshape(shape)
        at += n
    for name, n in {"encoder/dense1/b": 100, "encoder/dense2/b": 30, "decoder/tied1/b": 100, "decoder/tied2/b": 784}.items():
        weights[name] = np.zeros(n, "float32")
    return weights


def record(train, path, steps=100, batch=256):
    """Losses of the first steps from shared weights, in an order of rows that is a formula, and the weights."""
    encoder, decoder = stack()
    ae = model(encoder, decoder)
    weights = shared_weights()
    for name, w in weights.items():
        part, layer, kind = name.split("/")
        layer = {"encoder": encoder, "decoder": decoder}[part].get_layer(layer)
        variable = layer.b if part == "decoder" else layer.kernel if kind == "w" else layer.bias
        variable.assign(w)
    order = np.arange(steps * batch) * 1009 % len(train)
    losses = []
    for step in range(steps):
        x = train[order[step * batch:][:batch]]
        ae.reset_metrics()
        losses.append(float(ae.train_on_batch(x, x)))
    np.savez(path.with_suffix(".npz"), **weights)
    backend = __import__(keras.backend.backend()).__version__
    path.write_text(json.dumps({"keras": keras.__version__, "backend": f"{keras.backend.backend()} {backend}", "numpy": np.__version__,
                                "rows": len(train), "batch": batch, "losses": losses}, indent=1) + "\n")


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--data", type=pathlib.Path, default=EMBEDDED, help="folder of the IDX files")
    p.add_argument("--epochs", type=int, default=20)
    p.add_argument("--out", type=pathlib.Path, default=pathlib.Path("out/article-keras"))
    p.add_argument("--blocks", choices=["all", "greedy-as-printed"], default="all")
    p.add_argument("--record", type=pathlib.Path, metavar="FILE", help="write losses and, as .npz beside them, initial weights; nothing else")
    o = p.parse_args()
    keras.utils.set_random_seed(0)
    (train, train_labels), (test, test_labels) = load(o.data)
    if o.record:
        return record(train, o.record)
    if o.blocks == "greedy-as-printed":
        return as_printed(train, test, o.epochs)
    o.out.mkdir(parents=True, exist_ok=True)
    encoder, decoder = stack()
    ae = fit(encoder, decoder, train, test, o.epochs)
    pictures(ae, test, o.out / "reconstructions.pgm")
    save(ae, o.out / "stacked.keras")
    greedy(train, test, o.epochs)
    few = np.concatenate([np.flatnonzero(train_labels == k)[:60] for k in range(10)])
    classify(encoder, (train, train_labels), (test, test_labels), few, 60)


if __name__ == "__main__":
    main()
