"""The kernels on NumPy's and CuPy's arrays: they always work, and the other sets are tested against them."""

from gpucnn.kernels.interface import Kernels
from gpucnn.kernels.numpy.activation import Activation
from gpucnn.kernels.numpy.conv import Conv
from gpucnn.kernels.numpy.gather import Gather
from gpucnn.kernels.numpy.gemm import Gemm
from gpucnn.kernels.numpy.norm import Norm
from gpucnn.kernels.numpy.padding import Padding
from gpucnn.kernels.numpy.pool import Pool
from gpucnn.kernels.numpy.softmax import Softmax
from gpucnn.kernels.numpy.step import Step
from gpucnn.kernels.numpy.update import Update
from gpucnn.kernels.numpy.warp import Warp

kernels = Kernels(
    Activation(), Conv(), Gather(), Gemm(), Norm(), Padding(), Pool(), Softmax(), Step(), Update(), Warp()
)
