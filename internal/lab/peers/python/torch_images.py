"""The works of images in PyTorch, channels last in memory, as its CPU kernels prefer."""
import protocol


def net_of(work):
    """Returns the module of a work."""
    from torch import nn
    if work == "conv-ae":
        return nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(1568, 32),
            nn.Linear(32, 1568), nn.ReLU(), nn.Unflatten(1, (32, 7, 7)),
            nn.ConvTranspose2d(32, 16, 2, 2), nn.ReLU(), nn.ConvTranspose2d(16, 1, 2, 2))

    class Block(nn.Module):
        def __init__(self, a, b):
            super().__init__()
            stride = 1 if a == b else 2
            self.body = nn.Sequential(nn.Conv2d(a, b, 3, stride, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU(),
                                      nn.Conv2d(b, b, 3, 1, 1, bias=False), nn.BatchNorm2d(b))
            self.short = nn.Sequential() if a == b else nn.Sequential(nn.Conv2d(a, b, 1, stride, bias=False), nn.BatchNorm2d(b))

        def forward(self, x):
            return nn.functional.relu(self.body(x) + self.short(x))
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
        *[Block(a, b) for a, b in zip(protocol.BLOCKS, protocol.BLOCKS[1:])],
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def build(work, mode, precision):
    import torch
    from torch.nn import functional as F
    net = net_of(work).to(memory_format=torch.channels_last)
    protocol.counted(work, sum(p.numel() for p in net.parameters()))
    if work == "resnet20":
        optimizer = torch.optim.SGD(net.parameters(), 0.1, 0.9)
    else:
        optimizer = torch.optim.Adam(net.parameters(), 1e-3, fused=True)

    def loss_of(x, y):
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            out = net(x)
        return F.mse_loss(out.float(), x) if y is None else F.cross_entropy(out.float(), y)
    forward = torch.compile(loss_of) if mode == "compile" else loss_of

    def step(x, y=None):
        optimizer.zero_grad(set_to_none=True)
        x = torch.from_numpy(x).contiguous(memory_format=torch.channels_last)
        loss = forward(x, None if y is None else torch.from_numpy(y))
        loss.backward()
        optimizer.step()
        return loss.item()
    return step
