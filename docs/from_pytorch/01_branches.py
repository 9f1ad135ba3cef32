"""A network with branches."""


def ours(images, labels, start, dtype, steps=20):
    import gpucnn
    from gpucnn import functional as F
    from gpucnn import nn, optim

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.wide, self.narrow = nn.Conv2d(1, 3, 5, padding=2), nn.Conv2d(1, 3, 3, padding=1)
            self.head = nn.Linear(6 * 16, 4)

        def forward(self, x):
            both = gpucnn.cat([F.relu(self.wide(x)), self.narrow(x).tanh()], dim=1)
            return self.head(F.max_pool2d(both, 2).flatten(1))

    net = Net().astype(dtype)
    start(net)
    optimizer = optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(gpucnn.tensor(images)), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def theirs(images, labels, start, dtype, steps=20):
    import torch
    import torch.nn.functional as F
    from torch import nn, optim

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.wide, self.narrow = nn.Conv2d(1, 3, 5, padding=2), nn.Conv2d(1, 3, 3, padding=1)
            self.head = nn.Linear(6 * 16, 4)

        def forward(self, x):
            both = torch.cat([F.relu(self.wide(x)), self.narrow(x).tanh()], dim=1)
            return self.head(F.max_pool2d(both, 2).flatten(1))

    net = Net().to(getattr(torch, dtype))
    start(net)
    optimizer = optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(torch.tensor(images)), torch.tensor(labels))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
