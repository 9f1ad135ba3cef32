"""The emulated GPU in CuPy's place, for a rehearsal: in a process that has this folder on its path."""

import sys

from gpucnn.kernels.cuda import cublas
from tests.emulation import fake_cupy
from tests.emulation.fake_cublas import FakeCublas

_library = FakeCublas()
cublas.library = lambda: _library
sys.modules["cupy"] = fake_cupy
