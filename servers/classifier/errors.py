"""What goes wrong with given models and texts."""


class ClassifierError(ValueError):
    """A model or a file of texts cannot be used; the message is one sentence for the reader."""
