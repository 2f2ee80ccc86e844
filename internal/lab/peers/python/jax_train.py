"""JAX on the CPU: forward, gradients and Adam in one compiled step, whose buffers are donated."""
import os

import jax_images
import protocol


def version():
    import jax
    return jax.__version__


def product_of(precision):
    """Returns the product of two matrices.

    On the CPU the option jax_default_matmul_precision changes nothing: bfloat16 and BF16_BF16_F32
    alike multiply in float32. So bf16 casts the operands itself, those of the gradients' products
    too, and asks for float32 results, which XLA then accumulates in.
    """
    import jax
    import jax.numpy as jnp
    if precision == "fp32":
        return jnp.matmul

    def rounded(a, b):
        return jnp.matmul(a.astype(jnp.bfloat16), b.astype(jnp.bfloat16), preferred_element_type=jnp.float32)
    product = jax.custom_vjp(rounded)
    product.defvjp(lambda a, b: (rounded(a, b), (a, b)), lambda kept, d: (rounded(d, kept[1].T), rounded(kept[0].T, d)))
    return product


def build(work, threads, mode, precision):
    # XLA sizes its pool by the processors it may run on when it starts.
    os.environ["XLA_FLAGS"] = (f"--xla_cpu_multi_thread_eigen={str(threads > 1).lower()} "
                               f"intra_op_parallelism_threads={threads}")
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    import jax
    import jax.numpy as jnp
    if protocol.images(work):
        return jax_images.build(work, precision)
    sizes = protocol.WORKS[work]
    widths, layers = sizes["widths"], len(sizes["widths"]) - 1
    keys = jax.random.split(jax.random.PRNGKey(7), layers + 1)
    product = product_of(precision)
    normal = [jax.random.normal(keys[i], (widths[i], widths[i + 1])) for i in range(layers)]

    if work == "rbm":
        state = (normal[0] * 0.01, jnp.zeros(widths[0]), jnp.zeros(widths[1]), keys[1])

        def train(state, v0):
            w, bv, bh, key = state
            key, sub = jax.random.split(key)
            h0 = jax.nn.sigmoid(product(v0, w) + bh)
            on = (jax.random.uniform(sub, h0.shape) < h0).astype(jnp.float32)
            v1 = jax.nn.sigmoid(product(on, w.T) + bv)
            h1 = jax.nn.sigmoid(product(v1, w) + bh)
            rate = 0.1 / v0.shape[0]
            return (w + rate * (product(v0.T, h0) - product(v1.T, h1)), bv + rate * (v0 - v1).sum(0),
                    bh + rate * (h0 - h1).sum(0), key), jnp.mean((v1 - v0) ** 2)
    else:
        matrices = layers // 2 if sizes["tied"] else layers
        params = {"w": [m * widths[i] ** -0.5 for i, m in enumerate(normal[:matrices])],
                  "b": [jnp.zeros(n) for n in widths[1:]]}
        zeros = jax.tree.map(jnp.zeros_like, params)
        state = (params, zeros, jax.tree.map(jnp.copy, zeros), jnp.zeros(()))

        def loss_of(params, x):
            h = x
            for i in range(layers):
                h = product(h, params["w"][i] if i < matrices else params["w"][layers - 1 - i].T) + params["b"][i]
                if i not in sizes["linear"]:
                    h = jax.nn.relu(h)
            return jnp.mean((h - x) ** 2)

        def train(state, x):
            loss, grads = jax.value_and_grad(loss_of)(state[0], x)
            return jax_images.adam(state, grads), loss

    compiled = jax.jit(train, donate_argnums=0)

    def step(x):
        nonlocal state
        state, loss = compiled(state, x)
        return float(loss)
    return step


if __name__ == "__main__":
    protocol.main("jax", version, build, ("fp32", "bf16"))
