"""CUDA without a GPU: the kernels compiled for the CPU, and a CuPy over NumPy that launches them."""
