"""A training step that does not fit in a GPU's memory: how many images would fit."""

import traceback

from gpucnn import generators
from gpucnn.backend import load_cupy, module_of
from gpucnn.data.loader import Batch
from gpucnn.errors import GpuMemoryError
from gpucnn.training.step import Step, forward

MIB = 1 << 20


def out_of_memory(step: Step, batch: Batch, captured: bool, error: MemoryError) -> GpuMemoryError:
    """The error to raise where a step on `batch`, on the host, met `error`: with the batch size that should fit.

    It is estimated from what steps on few images take; `captured` steps keep memory for two shapes of batches.
    """
    words, images = str(error).rstrip("."), len(batch.labels)
    _forget(error)
    load_cupy().get_default_memory_pool().free_all_blocks()  # the steps that are measured have a pool of their own
    if images == 1:
        return GpuMemoryError(f"{words}; give a smaller network")
    try:
        per_image, beside = _bytes(step, batch, max(1, images // 16))
    except MemoryError:
        return GpuMemoryError(f"{words}; give a smaller train.batch_size or a smaller network")
    free = _free_bytes()
    fitting = int((free / (2 if captured else 1) - beside) / per_image)
    room = f"a step takes {per_image / MIB:.3g} MiB an image, of {free / MIB:.3g} MiB"
    if fitting < 1:
        return GpuMemoryError(f"{words}; {room}: give a smaller network")
    return GpuMemoryError(f"{words}; {room}: train.batch_size {_power_of_two(min(fitting, images - 1))} should fit")


def _bytes(step: Step, batch: Batch, images: int) -> tuple[float, float]:
    """The GPU memory of a step for each image, and the constant part: from steps on `images`, and on twice as many."""
    counts = images, images, 2 * images  # in the first cuBLAS takes memory that it keeps
    _, few, more = (_bytes_of_step(step, batch, count) for count in counts)
    per_image = max(1, more - few) / images
    return per_image, max(0, few - images * per_image)


def _bytes_of_step(step: Step, batch: Batch, images: int) -> int:
    """What forward and backward on the first `images` of a batch take of a memory pool. Only gradients are changed."""
    cupy, kept = load_cupy(), [(buffer, buffer.memory.copy()) for buffer in step.net.buffers()]
    drawn, pool = generators.generator_state(), cupy.cuda.MemoryPool()
    few = Batch(module_of(batch.images).ascontiguousarray(batch.images[..., :images]), batch.labels[:images])
    step.optimizer.zero_grad()
    try:
        with cupy.cuda.using_allocator(pool.malloc):
            forward(step.net, step.loss, few)[1].backward()
        return pool.total_bytes()
    finally:
        step.optimizer.zero_grad()
        for buffer, data in kept:
            buffer.memory[...] = data
        generators.set_generator_state(drawn)
        pool.free_all_blocks()


def _free_bytes() -> int:
    """What there is for new arrays: the device's and the pool's, up to the pool's limit."""
    cupy = load_cupy()
    pool = cupy.get_default_memory_pool()
    pool.free_all_blocks()
    free = cupy.cuda.runtime.memGetInfo()[0] + pool.free_bytes()
    return min(free, pool.get_limit() - pool.used_bytes()) if pool.get_limit() else free


def _forget(error: BaseException | None) -> None:
    """Free the arrays that the stack frames of an error, and of the errors that caused it, refer to."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__context__


def _power_of_two(number: int) -> int:
    """The largest that is not larger."""
    return 1 << (number.bit_length() - 1)
