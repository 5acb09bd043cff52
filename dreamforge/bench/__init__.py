"""How long kernels and steps take on this machine: `dreamforge bench`.

Alternatives are timed in turn within one process, so that whatever else the machine does falls on all of them; figures
are medians and minima, and ratios are the safer ones.
"""
