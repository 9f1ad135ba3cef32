"""A network that averages another's weights, and batch norm's statistics renewed: names of torch.optim.swa_utils."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from gpucnn.backend import module_of, to_device
from gpucnn.data.loader import Batches, Data, as_batches
from gpucnn.nn import BatchNorm, Buffer, Module
from gpucnn.tensor import Tensor, no_grad

AverageFunction = Callable[[Tensor, Tensor, int], Tensor]  # (average, weights now, how many it is of) -> new average


def get_swa_avg_fn() -> AverageFunction:
    """The equal mean of all weights that were given."""
    return lambda average, current, count: average + (current - average) / (count + 1)


def get_ema_avg_fn(decay: float = 0.999) -> AverageFunction:
    """An exponential moving average, which keeps the share `decay` of itself."""
    return lambda average, current, count: average * decay + current * (1 - decay)


class AveragedModel(Module):
    """A copy of `model`, its `module`, whose weights become averages of the model's at every `update_parameters`.

    The first takes them as they are. `avg_fn` is their equal mean by default (stochastic weight averaging, P. Izmailov
    et al., 2018, arXiv:1803.05407). Buffers, such as running statistics, are averaged with `use_buffers`; otherwise
    those of the model are copied.
    """

    def __init__(self, model: Module, avg_fn: AverageFunction | None = None, use_buffers: bool = False) -> None:
        self.module = copy.deepcopy(model)
        self.avg_fn, self.use_buffers = avg_fn or get_swa_avg_fn(), use_buffers
        self.n_averaged = Buffer(np.zeros((), np.int64))

    def forward(self, *inputs: Any) -> Any:
        """The result of the averaged network."""
        return self.module(*inputs)

    def update_parameters(self, model: Module) -> None:
        """Take the weights of `model` into the average."""
        count, averaged = int(self.n_averaged.item()), {id(tensor) for tensor in self.module.parameters()}
        own, given = self.module.named_state(), model.named_state()
        with no_grad():
            for name, tensor in own.items():
                is_averaged = id(tensor) in averaged or self.use_buffers and tensor.dtype.kind == "f"
                new = self.avg_fn(tensor, given[name], count) if is_averaged and count else given[name]
                tensor.memory[...] = (new.to_batch_last() if tensor.batch_last else new.to_logical()).memory
                tensor._version += 1
        self.n_averaged.memory += 1


def update_bn(loader: Data, model: Module, batch_size: int = 64) -> None:
    """Set the running statistics of batch norm in `model` to their means over the batches of `loader`.

    They are of the weights that the model has now, such as averaged ones, for which none were gathered. The model is in
    training mode meanwhile. Layers that are frozen keep theirs; a model without batch norm is left as it is. Arrays and
    a Dataset are cut into batches of `batch_size`.
    """
    dtype = next((parameter.dtype.name for parameter in model.parameters()), "float32")
    renew_statistics(as_batches(loader, batch_size, dtype), model)


def renew_statistics(batches: Batches, model: Module, epoch: int = 0) -> None:
    """As update_bn, on the batches of an epoch."""
    layers = [layer for layer in model.modules() if isinstance(layer, BatchNorm) and not layer.frozen]
    if not layers:
        return
    with no_grad(), _gathering(model, layers):
        for batch in batches.batches(epoch):
            model(Tensor.from_batch_last(to_device(batch.images)))


@contextmanager
def _gathering(model: Module, layers: list[BatchNorm]) -> Iterator[None]:
    """Inside, the layers gather plain means, from nothing on; afterwards modes and momenta are as before."""
    modes = [(module, module.training) for module in model.modules()]
    momenta = [layer.momentum for layer in layers]
    model.train()
    for layer in layers:
        layer.momentum = None
        for buffer, value in ((layer.running_mean, 0), (layer.running_var, 1), (layer.num_batches_tracked, 0)):
            buffer.memory[...] = module_of(buffer.memory).asarray(value)
    try:
        yield
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
        for module, training in modes:
            module.training = training
