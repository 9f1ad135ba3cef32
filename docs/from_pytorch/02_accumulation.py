"""Gradients accumulated over parts of a batch."""


def ours(images, labels, start, dtype, steps=20):
    import gpucnn
    from gpucnn import functional as F
    from gpucnn import nn, optim

    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 4)).astype(dtype)
    start(net)
    x = gpucnn.tensor(images)
    optimizer = optim.SGD(net.parameters(), lr=0.05)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        total = 0.0
        for part in range(2):
            half = slice(part * 8, part * 8 + 8)
            loss = F.cross_entropy(net(x[half]), labels[half]) / 2
            loss.backward()
            total += loss.item()
        optimizer.step()
        losses.append(total)
    return losses


def theirs(images, labels, start, dtype, steps=20):
    import torch
    import torch.nn.functional as F
    from torch import nn, optim

    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 4)).to(getattr(torch, dtype))
    start(net)
    x, labels = torch.tensor(images), torch.tensor(labels)
    optimizer = optim.SGD(net.parameters(), lr=0.05)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        total = 0.0
        for part in range(2):
            half = slice(part * 8, part * 8 + 8)
            loss = F.cross_entropy(net(x[half]), labels[half]) / 2
            loss.backward()
            total += loss.item()
        optimizer.step()
        losses.append(total)
    return losses
