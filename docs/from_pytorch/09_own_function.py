"""A Function of one's own."""


def ours(images, labels, start, dtype, steps=20):
    import gpucnn
    from gpucnn import functional as F
    from gpucnn import nn, optim

    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 4)).astype(dtype)
    start(net)
    x = gpucnn.tensor(images)

    class Softsign(gpucnn.Function):
        def forward(self, x):
            self.below = 1 + abs(x)
            return x / self.below

        def backward(self, grad):
            return grad / self.below**2

    optimizer = optim.SGD(net.parameters(), lr=0.05)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = F.cross_entropy(net[3](net[2](Softsign.apply(net[0](x)))), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def theirs(images, labels, start, dtype, steps=20):
    import torch
    import torch.nn.functional as F
    from torch import nn, optim

    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 4)).to(getattr(torch, dtype))
    start(net)
    x, labels = torch.tensor(images), torch.tensor(labels)

    class Softsign(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            below = 1 + x.abs()
            ctx.save_for_backward(below)
            return x / below

        @staticmethod
        def backward(ctx, grad):
            (below,) = ctx.saved_tensors
            return grad / below**2

    optimizer = optim.SGD(net.parameters(), lr=0.05)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = F.cross_entropy(net[3](net[2](Softsign.apply(net[0](x)))), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
