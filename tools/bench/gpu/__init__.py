"""The GPU benchmark of tools/bench_gpu.py: who runs what, in turns, and the page that shows the figures.

Files named with_* compute, each in processes that load one library alone; the others know none of the libraries.
"""
