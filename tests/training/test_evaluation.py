"""Evaluation and prediction, against NumPy and scikit-learn's definitions written out."""

import numpy as np
import pytest

import gpucnn
from gpucnn import nn
from gpucnn.training import evaluate, predict
from tests.training import examples


def scores_of(net, images):
    """The network's output for all images in one pass, in evaluation mode."""
    net.eval()
    with gpucnn.no_grad():
        return net(gpucnn.Tensor(images.astype(np.float32))).numpy().astype(np.float64)


def softmax(scores):
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("batch_size", [1, 4, 7, 8, 100])
def test_figures_do_not_depend_on_how_the_images_are_cut(batch_size):
    trainer = examples.trainer()
    images, labels = examples.images(29)
    probabilities = softmax(scores_of(trainer.net, images / 255))
    evaluation = trainer.evaluate((images, labels), batch_size)
    np.testing.assert_allclose(evaluation.probabilities, probabilities, rtol=1e-4, atol=1e-6)
    assert evaluation.loss == pytest.approx(-np.log(probabilities[np.arange(29), labels]).mean(), rel=1e-5)
    predictions = probabilities.argmax(axis=1)
    assert evaluation.accuracy == pytest.approx((predictions == labels).mean())
    expected = [[int(((labels == i) & (predictions == j)).sum()) for j in range(3)] for i in range(3)]
    assert evaluation.classification.confusion.tolist() == expected
    np.testing.assert_allclose(predict(trainer.net, images, batch_size), probabilities, rtol=1e-4, atol=1e-6)


def test_every_modules_mode_comes_back():
    net = examples.network()
    net.train()
    net[1].eval()  # batch norm that is frozen while the rest trains
    before = [module.training for module in net.modules()]
    evaluate(net, examples.images(4))
    predict(net, examples.images(4)[0])
    assert [module.training for module in net.modules()] == before


def test_the_mode_comes_back_after_an_error_too():
    net = examples.network().train()
    with pytest.raises(gpucnn.InputError):
        evaluate(net, (np.zeros((2, 2, 8, 8)), np.zeros(2, int)))
    assert all(module.training for module in net.modules())
    assert gpucnn.is_grad_enabled()


@pytest.mark.parametrize("last", [(), (nn.Softmax(),), (nn.LogSoftmax(),)])
def test_probabilities_are_those_of_the_last_layer_whatever_it_is(last):
    gpucnn.manual_seed(0)
    linear = nn.Linear(2, 3)
    images = np.random.default_rng(0).standard_normal((5, 2)).astype(np.float32)
    expected = softmax(scores_of(nn.Sequential(linear), images))
    np.testing.assert_allclose(predict(nn.Sequential(linear, *last), images), expected, rtol=1e-5)


def test_float64_networks_are_evaluated_in_float64():
    net = examples.network("float64")
    assert predict(net, examples.images(3)[0]).dtype == np.float64
    assert evaluate(net, examples.images(3)).probabilities.dtype == np.float64


def test_no_images_at_all():
    with pytest.raises(gpucnn.InputError, match=r"predict got images of shape \(0, 1, 8, 8\); expected at least one"):
        predict(examples.network(), np.zeros((0, 1, 8, 8)))
