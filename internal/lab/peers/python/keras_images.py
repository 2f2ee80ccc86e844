"""The works of images in Keras, on NHWC."""
import math

import protocol


def net_of(work):
    """Returns the model of a work."""
    import keras
    from keras import layers as L
    if work == "conv-ae":
        return keras.Sequential([
            keras.Input((28, 28, 1)),
            L.Conv2D(16, 3, padding="same", activation="relu"), L.MaxPooling2D(),
            L.Conv2D(32, 3, padding="same", activation="relu"), L.MaxPooling2D(),
            L.Flatten(), L.Dense(32),
            L.Dense(1568, "relu"), L.Reshape((7, 7, 32)),
            L.Conv2DTranspose(16, 2, 2, activation="relu"), L.Conv2DTranspose(1, 2, 2)])

    def conv(x, channels, stride=1, kernel=3):
        return L.BatchNormalization()(L.Conv2D(channels, kernel, stride, padding="same", use_bias=False)(x))
    x = keras.Input((32, 32, 3))
    h = L.ReLU()(conv(x, 16))
    for a, b in zip(protocol.BLOCKS, protocol.BLOCKS[1:]):
        stride = 1 if a == b else 2
        r = conv(L.ReLU()(conv(h, b, stride)), b)
        h = L.ReLU()(L.Add()([r, h if a == b else conv(h, b, stride, 1)]))
    return keras.Model(x, L.Dense(10)(L.GlobalAveragePooling2D()(h)))


def build(work, mode):
    import keras
    net = net_of(work)
    protocol.counted(work, sum(math.prod(w.shape) for w in net.trainable_weights))
    if work == "resnet20":
        net.compile(keras.optimizers.SGD(0.1, 0.9), keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=mode == "xla")
    else:
        net.compile(keras.optimizers.Adam(1e-3), "mse", jit_compile=mode == "xla")

    def step(x, y=None):
        x = x.transpose(0, 2, 3, 1)
        return float(net.train_on_batch(x, x if y is None else y))
    return step
