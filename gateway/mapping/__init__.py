"""Translation between the canonical model and each brand's own words: profiles, renderings, their checks.

Pure but for `library.load_folder`, which reads profile files: no clock, no network, no logging.
"""
