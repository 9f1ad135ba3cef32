"""The CPU benchmark of tools/bench_cpu.py: what is run, who runs it, and the page that shows the figures.

Files named with_* compute, each in a process that loads one library alone; the others know none of the libraries.
"""
