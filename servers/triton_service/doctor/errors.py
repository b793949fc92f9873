"""What cannot be examined at all."""


class DoctorError(ValueError):
    """One sentence: what was expected, what was found, what to do."""
