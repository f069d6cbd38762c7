"""Segmentation by what a text-to-image model knows, without labels (EmerDiff).

Importing this package is cheap; torch is imported when the application runs.
"""

from scorekit.host.plugin import Application, hookimpl
from scorekit_segmentation.application import Segmentation

__all__ = ["Segmentation"]


@hookimpl
def scorekit_applications() -> list[type[Application]]:
    """The applications of this package."""
    return [Segmentation]
