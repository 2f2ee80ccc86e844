"""Keras on TensorFlow's CPU kernels through train_on_batch; mode xla compiles the step with XLA."""
import os

import keras_images
import protocol

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def version():
    import keras
    import tensorflow
    return f"{keras.__version__} on TensorFlow {tensorflow.__version__}"


def build(work, threads, mode, precision):
    if work == "rbm":
        raise SystemExit("keras: train_on_batch has no contrastive divergence")
    import tensorflow as tf
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    import keras
    keras.utils.set_random_seed(7)
    if protocol.images(work):
        return keras_images.build(work, mode)
    sizes = protocol.WORKS[work]
    widths, layers = sizes["widths"], len(sizes["widths"]) - 1

    class Transposed(keras.layers.Layer):
        """A dense layer with the matrix of another, transposed, and a bias of its own."""

        def __init__(self, of, units, activation):
            super().__init__()
            self.of, self.units, self.activation = of, units, keras.activations.get(activation)

        def build(self, shape):
            self.bias = self.add_weight(shape=(self.units,), initializer="zeros")

        def call(self, x):
            return self.activation(keras.ops.matmul(x, keras.ops.transpose(self.of.kernel)) + self.bias)

    inputs = h = keras.Input((widths[0],))
    dense = []
    for i in range(layers):
        activation = None if i in sizes["linear"] else "relu"
        if sizes["tied"] and i >= layers // 2:
            layer = Transposed(dense[layers - 1 - i], widths[i + 1], activation)
        else:
            layer = keras.layers.Dense(widths[i + 1], activation)
        dense.append(layer)
        h = layer(h)
    model = keras.Model(inputs, h)
    model.compile(keras.optimizers.Adam(1e-3), "mse", jit_compile=mode == "xla")
    return lambda x: float(model.train_on_batch(x, x))


if __name__ == "__main__":
    protocol.main("keras", version, build)
