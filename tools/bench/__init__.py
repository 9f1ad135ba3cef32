"""The benchmarks: what is run, who runs it, and the pages that show the figures. bench.gpu is the one of GPUs.

Files named with_* compute, each in a process that loads one library alone; the others know none of the libraries.
"""
