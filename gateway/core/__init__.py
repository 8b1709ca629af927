"""The domain: what may happen to an offer, a job and its visits, and what follows from it.

Pure: standard library only, no clock, no I/O, no logging. `decide` is the entry.
"""
