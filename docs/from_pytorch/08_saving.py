"""Saving and loading, optimizer included."""


def ours(images, labels, start, dtype, steps=20):
    import tempfile

    import gpucnn
    from gpucnn import functional as F
    from gpucnn import nn, optim

    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 4)).astype(dtype)
    start(net)
    x = gpucnn.tensor(images)

    def train(net, optimizer, steps):
        losses = []
        for _ in range(steps):
            optimizer.zero_grad()
            loss = F.cross_entropy(net(x), labels)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return losses

    optimizer = optim.Adam(net.parameters(), lr=0.01)
    losses = train(net, optimizer, steps // 2)
    folder = tempfile.mkdtemp()
    gpucnn.save(net, folder + "/net.safetensors")
    gpucnn.save(optimizer, folder + "/optimizer.safetensors")
    again = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 4)).astype(dtype)
    gpucnn.load_into(again, folder + "/net.safetensors")
    optimizer = optim.Adam(again.parameters(), lr=1.0)
    gpucnn.load_into(optimizer, folder + "/optimizer.safetensors")
    return losses + train(again, optimizer, steps - steps // 2)


def theirs(images, labels, start, dtype, steps=20):
    import tempfile

    import torch
    import torch.nn.functional as F
    from torch import nn, optim

    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 4)).to(getattr(torch, dtype))
    start(net)
    x, labels = torch.tensor(images), torch.tensor(labels)

    def train(net, optimizer, steps):
        losses = []
        for _ in range(steps):
            optimizer.zero_grad()
            loss = F.cross_entropy(net(x), labels)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return losses

    optimizer = optim.Adam(net.parameters(), lr=0.01)
    losses = train(net, optimizer, steps // 2)
    folder = tempfile.mkdtemp()
    torch.save(net.state_dict(), folder + "/net.pt")
    torch.save(optimizer.state_dict(), folder + "/optimizer.pt")
    again = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 4)).to(getattr(torch, dtype))
    again.load_state_dict(torch.load(folder + "/net.pt"))
    optimizer = optim.Adam(again.parameters(), lr=1.0)
    optimizer.load_state_dict(torch.load(folder + "/optimizer.pt"))
    return losses + train(again, optimizer, steps - steps // 2)
