"""Models as data: one TOML file describes any number of models; a repository is generated from it.

The guide's three models are the example: trio.toml at their real size, trio-small.toml for a CPU.
"""
