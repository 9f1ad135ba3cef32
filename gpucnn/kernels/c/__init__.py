"""The kernels in C, over NumPy arrays; those that C would not make faster are inherited from `numpy`."""

from gpucnn.kernels import numpy
from gpucnn.kernels.c.activation import Activation
from gpucnn.kernels.c.arithmetic import Arithmetic
from gpucnn.kernels.c.conv import Conv
from gpucnn.kernels.c.conv_pool import ConvPool
from gpucnn.kernels.c.curves import Curves
from gpucnn.kernels.c.gather import Gather
from gpucnn.kernels.c.gemm import Gemm
from gpucnn.kernels.c.losses import Losses
from gpucnn.kernels.c.norm import Norm
from gpucnn.kernels.c.pool import Pool
from gpucnn.kernels.c.softmax import Softmax
from gpucnn.kernels.c.step import Step
from gpucnn.kernels.c.targets import Targets
from gpucnn.kernels.c.update import Update
from gpucnn.kernels.c.warp import Warp

kernels = numpy.overridden_by(
    Activation(), Arithmetic(), Conv(), Curves(Activation()), Gather(), Gemm(), Losses(), Norm(), Pool(), Softmax(),
    Step(), Targets(Softmax()), Update(), Warp(), ConvPool(Conv(), Pool()), numpy.Linear(Gemm(), Activation()),
)  # fmt: skip
