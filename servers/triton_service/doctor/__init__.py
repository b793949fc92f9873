"""What is wrong with a Triton model repository, how it is started, and who calls it.

It reads (reading/), judges (rules/) and says (output.py, in_words.py): rules are texts in TOML and
pure functions over what was read. It knows Triton and nothing of this study, so it lives beside
the study's own Triton and imports neither load nor analysis.
"""
