"""A FastAPI gateway that validates and tokenises in front of Triton."""
