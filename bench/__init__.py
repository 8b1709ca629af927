"""Benchmarks, and the bare loops that they are held against. `python -m bench`; figures go to `var/bench/`."""
