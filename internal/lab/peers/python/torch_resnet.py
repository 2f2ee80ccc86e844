"""ResNet-20 on CIFAR-10 in PyTorch with the recipe of the yardstick cifar-resnet20: the error of the test pictures, in per cent.

The pictures are JPEG files in a tar archive, train/CLASS/*.jpg and test/CLASS/*.jpg. Batches of
128 in a new order each epoch; crops from a border of four zeros and flips, drawn for each picture;
SGD with momentum 0.9, a decay of 1e-4 but for biases and normalisations, and a rate of 0.1 that falls to zero along a cosine, update by
update; the last batch of an epoch may be short.
"""
import argparse
import io
import json
import math
import os
import tarfile
import time

import torch_images

MEAN, SPREAD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


def pictures(file):
    """Returns the pictures, uint8 (N, 3, 32, 32), and labels of both parts of the archive."""
    import numpy as np
    from PIL import Image
    rows = {"train": [], "test": []}
    with tarfile.open(file) as archive:
        for member in archive:
            parts = member.name.strip("./").split("/")
            if member.isfile() and len(parts) == 3 and parts[2].endswith(".jpg"):
                picture = np.asarray(Image.open(io.BytesIO(archive.extractfile(member).read())))
                rows[parts[0]].append((parts[1], parts[2], picture.transpose(2, 0, 1)))
    classes = sorted({c for c, _, _ in rows["train"]})
    for part in rows.values():
        part.sort(key=lambda r: r[:2])
    return [(np.stack([x for _, _, x in rows[p]]), np.array([classes.index(c) for c, _, _ in rows[p]])) for p in ("train", "test")]


def augmented(torch, x, generator):
    """Crops each picture out of a border of four zeros, and turns half of them over."""
    n = len(x)
    padded = torch.nn.functional.pad(x, (4, 4, 4, 4))
    top, left = (torch.randint(0, 9, (n, 1, 1), generator=generator) for _ in range(2))
    at = torch.arange(32)
    columns = torch.where(torch.rand(n, 1, 1, generator=generator) < 0.5, 31 - at, at) + left
    index = torch.arange(n)[:, None, None]
    return padded.permute(0, 2, 3, 1)[index, top + at[None, :, None], columns].permute(0, 3, 1, 2)


def main():
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument("--file", required=True, help="cifar10-jpeg.tar.gz")
    flags.add_argument("--epochs", type=int, default=10)
    flags.add_argument("--threads", type=int, default=os.cpu_count())
    flags.add_argument("--rows", type=int, default=0, help="pictures to train on; 0 is all")
    flags.add_argument("--seed", type=int, default=0)
    a = flags.parse_args()
    import numpy as np
    import torch
    torch.set_num_threads(a.threads)
    torch.manual_seed(a.seed)
    generator = torch.Generator().manual_seed(a.seed)
    (x, y), (test, labels) = [(torch.from_numpy(p), torch.from_numpy(q)) for p, q in pictures(a.file)]
    if a.rows:
        keep = torch.randperm(len(x), generator=generator)[:a.rows]
        x, y = x[keep], y[keep]
    mean, spread = (torch.tensor(v).view(1, 3, 1, 1) for v in (MEAN, SPREAD))

    def scaled(pixels):
        return ((pixels.float() / 255 - mean) / spread).contiguous(memory_format=torch.channels_last)
    net = torch_images.net_of("resnet20").to(memory_format=torch.channels_last)
    for module in net.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight)
    weights = [p for p in net.parameters() if p.ndim > 1]
    others = [p for p in net.parameters() if p.ndim <= 1]
    optimizer = torch.optim.SGD([{"params": weights, "weight_decay": 1e-4}, {"params": others}], 0.1, 0.9)
    steps = math.ceil(len(x) / 128)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: (1 + math.cos(math.pi * t / (steps * a.epochs))) / 2)
    began = time.time()
    for epoch in range(a.epochs):
        order = torch.randperm(len(x), generator=generator)
        net.train()
        for at in range(0, len(x), 128):
            rows = order[at:at + 128]
            optimizer.zero_grad(set_to_none=True)
            loss = torch.nn.functional.cross_entropy(net(scaled(augmented(torch, x[rows], generator))), y[rows])
            loss.backward()
            optimizer.step()
            schedule.step()
    net.eval()
    with torch.no_grad():
        wrong = sum(int((net(scaled(test[at:at + 500])).argmax(1) != labels[at:at + 500]).sum()) for at in range(0, len(test), 500))
    print(json.dumps({"peer": "pytorch", "version": torch.__version__, "epochs": a.epochs, "rows": len(x), "seed": a.seed,
                      "error": round(100 * wrong / len(test), 3), "seconds": round(time.time() - began, 1)}))


if __name__ == "__main__":
    main()
