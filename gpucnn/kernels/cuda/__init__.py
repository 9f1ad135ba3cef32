"""The kernels in CUDA, over CuPy arrays; those that a GPU would not run faster are inherited from `numpy`."""

from gpucnn.kernels import numpy
from gpucnn.kernels.cuda.activation import Activation
from gpucnn.kernels.cuda.conv import Conv
from gpucnn.kernels.cuda.conv_pool import ConvPool
from gpucnn.kernels.cuda.gather import Gather
from gpucnn.kernels.cuda.gemm import Gemm
from gpucnn.kernels.cuda.linear import Linear
from gpucnn.kernels.cuda.norm import Norm
from gpucnn.kernels.cuda.padding import Padding
from gpucnn.kernels.cuda.pool import Pool
from gpucnn.kernels.cuda.softmax import Softmax
from gpucnn.kernels.cuda.step import Step
from gpucnn.kernels.cuda.update import Update

kernels = numpy.overridden_by(
    Activation(), Conv(), Gather(), Gemm(), Norm(), Padding(), Pool(), Softmax(), Step(), Update(),
    ConvPool(Conv(), Pool()), Linear(Gemm(), Activation()), numpy.Curves(Activation()),
    numpy.Targets(Softmax()),
)  # fmt: skip
