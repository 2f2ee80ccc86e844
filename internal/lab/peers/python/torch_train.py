"""PyTorch on the CPU: eager (mode default), or torch.compile of forward and loss (mode compile); precision bf16 is autocast."""
import protocol
import torch_images


def version():
    import torch
    return torch.__version__


def machine(torch, widths, cast):
    """One CD-1 update of a Bernoulli machine, in place; cast is whether products are under autocast."""
    visible, hidden = widths
    w, bv, bh = torch.randn(visible, hidden) * 0.01, torch.zeros(visible), torch.zeros(hidden)

    @torch.no_grad()
    def update(v0):
        rate = 0.1 / v0.shape[0]
        with torch.autocast("cpu", torch.bfloat16, enabled=cast):
            h0 = torch.sigmoid(torch.addmm(bh, v0, w))
            v1 = torch.sigmoid(torch.addmm(bv, torch.bernoulli(h0), w.t()))
            h1 = torch.sigmoid(torch.addmm(bh, v1, w))
            if cast:  # what works in place is not cast
                w.add_(torch.mm(v0.t(), h0), alpha=rate).add_(torch.mm(v1.t(), h1), alpha=-rate)
            else:
                w.addmm_(v0.t(), h0, alpha=rate).addmm_(v1.t(), h1, alpha=-rate)
        h0, v1, h1 = h0.float(), v1.float(), h1.float()
        bv.add_((v0 - v1).sum(0), alpha=rate)
        bh.add_((h0 - h1).sum(0), alpha=rate)
        return torch.nn.functional.mse_loss(v1, v0)
    return update


def build(work, threads, mode, precision):
    import torch
    from torch.nn import functional as F
    torch.set_num_threads(threads)
    torch.manual_seed(7)
    if protocol.images(work):
        return torch_images.build(work, mode, precision)
    sizes = protocol.WORKS[work]
    widths, layers = sizes["widths"], len(sizes["widths"]) - 1
    wrap = torch.compile if mode == "compile" else lambda f: f
    cast = precision == "bf16"

    if work == "rbm":
        update = wrap(machine(torch, widths, cast))
        return lambda x: update(torch.from_numpy(x)).item()

    # A matrix is (outputs, inputs), as torch.nn.Linear keeps it.
    matrices = layers // 2 if sizes["tied"] else layers
    w = [torch.nn.Parameter(torch.randn(widths[i + 1], widths[i]) * widths[i] ** -0.5) for i in range(matrices)]
    b = [torch.nn.Parameter(torch.zeros(n)) for n in widths[1:]]
    optimizer = torch.optim.Adam(w + b, 1e-3, fused=True)

    def loss_of(x):
        h = x
        with torch.autocast("cpu", torch.bfloat16, enabled=cast):
            for i in range(layers):
                h = F.linear(h, w[i] if i < matrices else w[layers - 1 - i].t(), b[i])
                if i not in sizes["linear"]:
                    h = F.relu(h)
        return F.mse_loss(h.float(), x)
    forward = wrap(loss_of)

    def step(x):
        optimizer.zero_grad(set_to_none=True)
        loss = forward(torch.from_numpy(x))
        loss.backward()
        optimizer.step()
        return loss.item()
    return step


if __name__ == "__main__":
    protocol.main("pytorch", version, build, ("fp32", "bf16"))
