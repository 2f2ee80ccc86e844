"""The works of images in JAX, on NHWC: forward, gradients and optimizer in one compiled step, whose buffers are donated."""
import protocol


def adam(state, grads):
    """One step of Adam on (parameters, first moments, second moments, number of steps)."""
    import jax
    import jax.numpy as jnp
    params, first, second, t = state
    t = t + 1
    first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, grads)
    second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, grads)
    rate, scale = 1e-3 / (1 - 0.9 ** t), 1 / (1 - 0.999 ** t)
    return jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v * scale) + 1e-8), params, first, second), first, second, t


def nets(work):
    """Returns the parameters of a work, and its loss of (parameters, x, y)."""
    import jax
    import jax.numpy as jnp
    from jax import lax
    key, made = jax.random.PRNGKey(7), []

    def weights(*shape):
        fan_in = 1
        for n in shape[:-1]:
            fan_in *= n
        made.append(shape)
        return jax.random.normal(jax.random.fold_in(key, len(made)), shape) * (2 / fan_in) ** 0.5

    def conv(x, w, stride=1):
        return lax.conv_general_dilated(x, w, (stride, stride), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))

    if work == "conv-ae":
        params = {"c1": weights(3, 3, 1, 16), "c2": weights(3, 3, 16, 32), "enc": weights(1568, 32), "dec": weights(32, 1568),
                  "t1": weights(2, 2, 32, 16), "t2": weights(2, 2, 16, 1)}
        params |= {"b_" + name: jnp.zeros(w.shape[-1]) for name, w in params.items()}

        def pool(x):
            return lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")

        def up(x, w):
            return lax.conv_transpose(x, w, (2, 2), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))

        def loss_of(p, x, y=None):
            x = x.reshape(-1, 28, 28, 1)
            h = pool(jax.nn.relu(conv(x, p["c1"]) + p["b_c1"]))
            h = pool(jax.nn.relu(conv(h, p["c2"]) + p["b_c2"]))
            h = h.reshape(len(x), -1) @ p["enc"] + p["b_enc"]
            h = jax.nn.relu(h @ p["dec"] + p["b_dec"]).reshape(-1, 7, 7, 32)
            h = jax.nn.relu(up(h, p["t1"]) + p["b_t1"])
            return jnp.mean((up(h, p["t2"]) + p["b_t2"] - x) ** 2)
        return params, loss_of

    def normal(n):
        return {"scale": jnp.ones(n), "bias": jnp.zeros(n)}

    def norm(x, p):
        mean = x.mean((0, 1, 2))
        variance = ((x - mean) ** 2).mean((0, 1, 2))
        return (x - mean) * (lax.rsqrt(variance + 1e-5) * p["scale"]) + p["bias"]

    blocks = list(zip(protocol.BLOCKS, protocol.BLOCKS[1:]))
    params = {"stem": weights(3, 3, 3, 16), "stem_norm": normal(16), "head": weights(64, 10), "head_bias": jnp.zeros(10), "blocks": []}
    for a, b in blocks:
        p = {"w1": weights(3, 3, a, b), "n1": normal(b), "w2": weights(3, 3, b, b), "n2": normal(b)}
        if a != b:
            p |= {"short": weights(1, 1, a, b), "short_norm": normal(b)}
        params["blocks"].append(p)

    def loss_of(params, x, y):
        h = jax.nn.relu(norm(conv(x.transpose(0, 2, 3, 1), params["stem"]), params["stem_norm"]))
        for (a, b), p in zip(blocks, params["blocks"]):
            stride = 1 if a == b else 2
            r = norm(conv(jax.nn.relu(norm(conv(h, p["w1"], stride), p["n1"])), p["w2"]), p["n2"])
            h = jax.nn.relu(r + (h if a == b else norm(conv(h, p["short"], stride), p["short_norm"])))
        logits = h.mean((1, 2)) @ params["head"] + params["head_bias"]
        return -jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], 1).mean()
    return params, loss_of


def build(work, precision):
    if precision != "fp32":
        raise SystemExit("jax: the convolutions are float32")
    import jax
    import jax.numpy as jnp
    params, loss_of = nets(work)
    protocol.counted(work, sum(p.size for p in jax.tree.leaves(params)))
    zeros = jax.tree.map(jnp.zeros_like, params)
    state = (params, zeros, jax.tree.map(jnp.copy, zeros), jnp.zeros(()))

    def train(state, *batch):
        loss, grads = jax.value_and_grad(loss_of)(state[0], *batch)
        if work != "resnet20":
            return adam(state, grads), loss
        params, momentum, second, t = state
        momentum = jax.tree.map(lambda m, g: 0.9 * m + g, momentum, grads)
        return (jax.tree.map(lambda p, m: p - 0.1 * m, params, momentum), momentum, second, t), loss
    compiled = jax.jit(train, donate_argnums=0)

    def step(*batch):
        nonlocal state
        state, loss = compiled(state, *batch)
        return float(loss)
    return step
