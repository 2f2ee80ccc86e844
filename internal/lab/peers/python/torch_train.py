"""PyTorch on the CPU: eager (mode default), or torch.compile of forward and loss (mode compile)."""
import protocol


def version():
    import torch
    return torch.__version__


def machine(torch, widths):
    """One CD-1 update of a Bernoulli machine, in place."""
    visible, hidden = widths
    w, bv, bh = torch.randn(visible, hidden) * 0.01, torch.zeros(visible), torch.zeros(hidden)

    @torch.no_grad()
    def update(v0):
        h0 = torch.sigmoid(torch.addmm(bh, v0, w))
        v1 = torch.sigmoid(torch.addmm(bv, torch.bernoulli(h0), w.t()))
        h1 = torch.sigmoid(torch.addmm(bh, v1, w))
        rate = 0.1 / v0.shape[0]
        w.addmm_(v0.t(), h0, alpha=rate).addmm_(v1.t(), h1, alpha=-rate)
        bv.add_((v0 - v1).sum(0), alpha=rate)
        bh.add_((h0 - h1).sum(0), alpha=rate)
        return torch.nn.functional.mse_loss(v1, v0)
    return update


def build(work, threads, mode):
    import torch
    from torch.nn import functional as F
    torch.set_num_threads(threads)
    torch.manual_seed(7)
    sizes = protocol.WORKS[work]
    widths, layers = sizes["widths"], len(sizes["widths"]) - 1
    wrap = torch.compile if mode == "compile" else lambda f: f

    if work == "rbm":
        update = wrap(machine(torch, widths))
        return lambda x: update(torch.from_numpy(x)).item()

    # A matrix is (outputs, inputs), as torch.nn.Linear keeps it.
    matrices = layers // 2 if sizes["tied"] else layers
    w = [torch.nn.Parameter(torch.randn(widths[i + 1], widths[i]) * widths[i] ** -0.5) for i in range(matrices)]
    b = [torch.nn.Parameter(torch.zeros(n)) for n in widths[1:]]
    optimizer = torch.optim.Adam(w + b, 1e-3, fused=True)

    def loss_of(x):
        h = x
        for i in range(layers):
            h = F.linear(h, w[i] if i < matrices else w[layers - 1 - i].t(), b[i])
            if i not in sizes["linear"]:
                h = F.relu(h)
        return F.mse_loss(h, x)
    forward = wrap(loss_of)

    def step(x):
        optimizer.zero_grad(set_to_none=True)
        loss = forward(torch.from_numpy(x))
        loss.backward()
        optimizer.step()
        return loss.item()
    return step


if __name__ == "__main__":
    protocol.main("pytorch", version, build)
