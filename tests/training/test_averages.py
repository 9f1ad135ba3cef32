"""Averages of weights against loops and PyTorch's swa_utils; what is validated, saved, and gone on with."""

import numpy as np
import pytest

import gpucnn
from gpucnn import nn, optim
from gpucnn.data.loader import Loader
from gpucnn.errors import CheckpointError, ConfigError
from gpucnn.kernels import dispatch
from gpucnn.training import EMA, SWA, Trainer, evaluate
from gpucnn.training.swa_utils import AveragedModel, get_ema_avg_fn, update_bn
from tests.devices import kept
from tests.training import examples


def network(lib, dtype="float64"):
    layers = lib.Conv2d(1, 4, 3), lib.BatchNorm2d(4), lib.ReLU(), lib.Flatten(), lib.Linear(144, 3), lib.BatchNorm1d(3)
    net = lib.Sequential(*layers)
    return net.astype(dtype) if lib is nn else net.double()


def make(average, capture=True, dtype="float64", **options):
    gpucnn.manual_seed(0)
    net = network(nn, dtype)
    return Trainer(net, optim.SGD(net.parameters(), 0.05, 0.9), average=average, capture=capture, **options)


def batches(dtype="float64"):
    return Loader(examples.images(), 16, shuffle=True, seed=1, dtype=dtype)  # five in an epoch


def precise(device):
    """The type to compute in, and a tolerance: on the emulated GPU kernels are compiled for float32 alone."""
    return ("float64", 1e-12) if device.kind == "cpu" else ("float32", 1e-5)


def after_each(trainer, epochs, dtype):
    """The states of the network after every update, of a training of single steps."""
    states = []
    step = trainer.optimizer.step
    trainer.optimizer.step = lambda *scales: (step(*scales), states.append(trainer.net.state_dict()))
    trainer.fit(batches(dtype), epochs=epochs)
    return states


@pytest.mark.parametrize("decay", [0.0, 0.6, 0.999])
def test_an_exponential_average_is_the_definition(device, decay):
    """Running statistics too; at first it forgets fast."""
    dtype, tolerance = precise(device)
    trainer = make(EMA(decay), False, dtype)
    states = after_each(trainer, 3, dtype)
    assert len(states) == 15 == trainer.average.count
    expected = states[0]
    for count, state in enumerate(states[1:], 1):
        keeps = min(decay, count / (count + 9))
        expected = {name: keeps * expected[name] + (1 - keeps) * array for name, array in state.items()}
    expected["1.num_batches_tracked"] = expected["5.num_batches_tracked"] = 15
    for name, array in trainer.average.averaged.state_dict().items():
        np.testing.assert_allclose(array, expected[name], rtol=tolerance, atol=tolerance, err_msg=name)


@pytest.mark.parametrize(("start", "epochs", "averaged"), [(0.5, 4, [3, 4]), (0.0, 2, [1, 2]), (0.75, 3, [3])])
def test_a_stochastic_average_is_the_mean_of_epochs(device, start, epochs, averaged):
    dtype, tolerance = precise(device)
    trainer = make(SWA(start), dtype=dtype)
    states, validated, validation = [], [], examples.loaders(dtype).validation
    for record in trainer.run(batches(dtype), validation, epochs):
        if isinstance(record, gpucnn.training.EpochRecord):
            states.append(trainer.net.state_dict())
            validated.append(record.validation_loss)
    parameters = [name for name, _ in trainer.net.named_parameters()]
    found = trainer.evaluated.state_dict()
    for name in parameters:
        expected = np.mean([states[epoch - 1][name] for epoch in averaged], axis=0)
        np.testing.assert_allclose(found[name], expected, rtol=tolerance, atol=tolerance)
    loss = evaluate(trainer.evaluated, validation).loss
    assert validated[-1] == pytest.approx(loss, rel=1e-12)
    assert trainer.evaluate(validation).loss == pytest.approx(loss, rel=1e-12)


def test_statistics_are_renewed_as_pytorchs(torch, device, rng):
    ours, theirs = network(nn), network(torch.nn)
    ours.load_state_dict(theirs.state_dict())
    ours.eval()
    theirs.eval()
    images, labels = rng.standard_normal((50, 1, 8, 8)), np.zeros(50, np.int64)
    update_bn([(images[i : i + 20], labels[i : i + 20]) for i in range(0, 50, 20)], ours)
    torch.optim.swa_utils.update_bn([torch.tensor(images[i : i + 20]) for i in range(0, 50, 20)], theirs)
    assert ours.training == theirs.training is False and ours[1].momentum == theirs[1].momentum == 0.1
    for name, array in theirs.state_dict().items():
        np.testing.assert_allclose(ours.state_dict()[name], array, rtol=1e-9, atol=1e-12, err_msg=name)


def test_frozen_layers_keep_their_statistics(rng):
    net = network(nn)
    net[1].frozen = True
    update_bn((rng.standard_normal((50, 1, 8, 8)) + 3, np.zeros(50, np.int64)), net)
    assert not net[1].running_mean.numpy().any() and net[5].running_mean.numpy().any()


@pytest.mark.parametrize("use_buffers", [False, True])
@pytest.mark.parametrize("ema", [False, True])
def test_an_averaged_model_is_pytorchs(torch, device, rng, use_buffers, ema):
    swa_utils = torch.optim.swa_utils
    ours, theirs = network(nn), network(torch.nn)
    ours.load_state_dict(theirs.state_dict())
    function = get_ema_avg_fn(0.8) if ema else None
    judged = swa_utils.AveragedModel(theirs, avg_fn=swa_utils.get_ema_avg_fn(0.8) if ema else None,
                                     use_buffers=use_buffers)  # fmt: skip
    averaged = AveragedModel(ours, function, use_buffers)
    for _ in range(4):
        state = {name: rng.random(array.shape) for name, array in ours.state_dict().items()}
        state |= {name: np.int64(7) for name in state if name.endswith("tracked")}
        ours.load_state_dict(state)
        theirs.load_state_dict({name: torch.tensor(array) for name, array in state.items()})
        averaged.update_parameters(ours)
        judged.update_parameters(theirs)
    x = rng.random((6, 1, 8, 8))
    for name, array in judged.module.state_dict().items():
        np.testing.assert_allclose(averaged.module.state_dict()[name], array, rtol=1e-12, err_msg=name)
    assert averaged.n_averaged.item() == judged.n_averaged.item() == 4
    expected = judged.eval()(torch.tensor(x)).detach()
    np.testing.assert_allclose(averaged.eval()(gpucnn.tensor(x)).numpy(), expected, rtol=1e-9)


@pytest.mark.parametrize("average", [EMA(0.9), SWA(0.3)])
@pytest.mark.parametrize("stop", [3, 7, 12])
def test_a_training_that_goes_on_averages_to_the_same_bits(device, average, stop):
    whole = make(average, dtype="float32", accumulate=2)
    validation = examples.loaders().validation
    records = list(whole.run(batches("float32"), validation, 3))
    begun = make(average, dtype="float32", accumulate=2)
    for number, _ in enumerate(begun.run(batches("float32"), validation, 3), 1):
        if number >= stop and begun.settled:
            break
    resumed = make(average, dtype="float32", accumulate=2)
    resumed.load_state(begun.state())
    rest = list(resumed.run(batches("float32"), validation, 3))
    assert rest[-1].validation_loss == records[-1].validation_loss
    states = whole.state(), resumed.state()
    assert states[0].values["average"] == states[1].values["average"]
    for name, array in states[0].tensors.items():
        np.testing.assert_array_equal(array, states[1].tensors[name], err_msg=name)


def test_a_state_without_an_average_is_refused():
    plain = make(None)
    with pytest.raises(CheckpointError, match="average"):
        make(EMA()).load_state(plain.state())


@pytest.mark.parametrize(("rule", "options"), [(EMA, {"decay": 1.0}), (EMA, {"decay": -1}), (SWA, {"start": 1.0})])
def test_options_out_of_range_are_named(rule, options):
    with pytest.raises(ConfigError, match=next(iter(options))):
        rule(**options)


def test_numpys_kernels_average_as_those_in_c():
    found = []
    for kernels in ("auto", "numpy"):
        with kept():
            dispatch.choose(kernels)
            trainer = make(EMA(0.9))
            trainer.fit(batches(), epochs=2)
            found.append(trainer.evaluated.state_dict())
    for name, array in found[0].items():
        np.testing.assert_allclose(array, found[1][name], rtol=1e-7, atol=1e-9)
