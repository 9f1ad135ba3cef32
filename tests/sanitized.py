"""A plugin for tests under AddressSanitizer (tools/sanitize.sh): `pytest -p tests.sanitized`.

Every array ends where its memory ends, so that each number read behind it shows; memory for reuse is longer.
PyTorch, the judge of some tests, is left out: errors of its memory are not ours. So is the emulated GPU, whose fibers
look like broken stacks. Without C kernels nothing is tested.
"""

import sys

from gpucnn import backend
from gpucnn.kernels import dispatch
from tests.emulation import device

device.why_not = "the emulated GPU is not run under AddressSanitizer"
backend.POOLED = sys.maxsize
sys.modules["torch"] = None
assert dispatch.library.usable(), "the C kernels were not built, or cannot be loaded"
