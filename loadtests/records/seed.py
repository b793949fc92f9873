"""What every random choice starts from where nobody asked for another."""

SEED = 20261121
