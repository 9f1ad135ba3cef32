"""What a CUDA graph launches, asked of the driver itself: every library's graphs are its graphs."""

import ctypes
from typing import Any

KERNEL, COPY, FILL, GRAPH = 0, 1, 2, 4  # CUgraphNodeType: kernel, memcpy, memset, a graph within the graph


def launches(graph: int) -> int:
    """The kernels, copies and fills in a graph, given by its handle (cudaGraph_t). Raises OSError without a driver."""
    return _count(ctypes.CDLL("libcuda.so.1"), ctypes.c_void_p(graph))


def _count(driver: Any, graph: ctypes.c_void_p) -> int:
    number = ctypes.c_size_t()
    _check(driver.cuGraphGetNodes(graph, None, ctypes.byref(number)))
    nodes = (ctypes.c_void_p * number.value)()
    if number.value:
        _check(driver.cuGraphGetNodes(graph, nodes, ctypes.byref(number)))
    return sum(_count_node(driver, ctypes.c_void_p(node)) for node in nodes)


def _count_node(driver: Any, node: ctypes.c_void_p) -> int:
    kind = ctypes.c_int()
    _check(driver.cuGraphNodeGetType(node, ctypes.byref(kind)))
    if kind.value != GRAPH:
        return int(kind.value in (KERNEL, COPY, FILL))
    inner = ctypes.c_void_p()
    _check(driver.cuGraphChildGraphNodeGetGraph(node, ctypes.byref(inner)))
    return _count(driver, inner)


def _check(status: int) -> None:
    if status:
        raise OSError(f"the CUDA driver answers {status} when asked for a graph's nodes")
