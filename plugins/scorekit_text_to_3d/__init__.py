"""Text to 3D by score distillation: words become a mesh.

Importing this package is cheap; torch and the 3D libraries are imported when an application runs.
"""

from scorekit.host.plugin import Application, hookimpl
from scorekit_text_to_3d.application import TextTo3D

__all__ = ["TextTo3D"]


@hookimpl
def scorekit_applications() -> list[type[Application]]:
    """The applications of this package."""
    return [TextTo3D]
