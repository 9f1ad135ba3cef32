"""An update by hand, in place."""


def ours(images, labels, start, dtype, steps=20):
    import gpucnn
    from gpucnn import functional as F
    from gpucnn import nn

    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 4)).astype(dtype)
    start(net)
    x = gpucnn.tensor(images)
    losses = []
    for _ in range(steps):
        net.zero_grad()
        loss = F.cross_entropy(net(x), labels)
        loss.backward()
        with gpucnn.no_grad():
            for p in net.parameters():
                p -= 0.05 * p.grad
                p.clamp_(-0.3, 0.3)
        net[3].bias.data[0] = 0.0
        losses.append(loss.item())
    return losses


def theirs(images, labels, start, dtype, steps=20):
    import torch
    import torch.nn.functional as F
    from torch import nn

    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 4)).to(getattr(torch, dtype))
    start(net)
    x, labels = torch.tensor(images), torch.tensor(labels)
    losses = []
    for _ in range(steps):
        net.zero_grad()
        loss = F.cross_entropy(net(x), labels)
        loss.backward()
        with torch.no_grad():
            for p in net.parameters():
                p -= 0.05 * p.grad
                p.clamp_(-0.3, 0.3)
        net[3].bias.data[0] = 0.0
        losses.append(loss.item())
    return losses
