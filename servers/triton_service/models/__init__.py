"""Models of Triton's Python backend; each file is copied into the repository as its model.py."""
