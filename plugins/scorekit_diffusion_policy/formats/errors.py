"""What readers raise."""


class DatasetError(ValueError):
    """A dataset that cannot be read, in one sentence for the user."""
