"""Layers that are frozen."""


def ours(images, labels, start, dtype, steps=20):
    import gpucnn
    from gpucnn import functional as F
    from gpucnn import nn, optim

    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 4)).astype(dtype)
    start(net)
    x = gpucnn.tensor(images)
    for parameter in net[0].parameters():
        parameter.requires_grad = False
    optimizer = optim.SGD([p for p in net.parameters() if p.requires_grad], lr=0.05)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert net[0].weight.grad is None
    return losses


def theirs(images, labels, start, dtype, steps=20):
    import torch
    import torch.nn.functional as F
    from torch import nn, optim

    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 4)).to(getattr(torch, dtype))
    start(net)
    x, labels = torch.tensor(images), torch.tensor(labels)
    for parameter in net[0].parameters():
        parameter.requires_grad = False
    optimizer = optim.SGD([p for p in net.parameters() if p.requires_grad], lr=0.05)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert net[0].weight.grad is None
    return losses
