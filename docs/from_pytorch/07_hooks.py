"""Hooks that look at what layers make."""


def ours(images, labels, start, dtype, steps=20):
    import gpucnn
    from gpucnn import functional as F
    from gpucnn import nn, optim

    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 4)).astype(dtype)
    start(net)
    x = gpucnn.tensor(images)
    optimizer = optim.SGD(net.parameters(), lr=0.05)
    losses, seen = [], []
    handle = net[1].register_forward_hook(lambda module, inputs, output: seen.append(output))
    for _ in range(steps):
        optimizer.zero_grad()
        output = net(x)
        loss = F.cross_entropy(output, labels) + 0.1 * seen.pop().square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    handle.remove()
    return losses


def theirs(images, labels, start, dtype, steps=20):
    import torch
    import torch.nn.functional as F
    from torch import nn, optim

    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 4)).to(getattr(torch, dtype))
    start(net)
    x, labels = torch.tensor(images), torch.tensor(labels)
    optimizer = optim.SGD(net.parameters(), lr=0.05)
    losses, seen = [], []
    handle = net[1].register_forward_hook(lambda module, inputs, output: seen.append(output))
    for _ in range(steps):
        optimizer.zero_grad()
        output = net(x)
        loss = F.cross_entropy(output, labels) + 0.1 * seen.pop().square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    handle.remove()
    return losses
