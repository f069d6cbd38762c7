"""Text to SVG by score distillation: words become a drawing of few shapes.

Importing this package is cheap; torch is imported when the application runs.
"""

from scorekit.host.plugin import Application, hookimpl
from scorekit_text_to_svg.application import TextToSVG

__all__ = ["TextToSVG"]


@hookimpl
def scorekit_applications() -> list[type[Application]]:
    """The applications of this package."""
    return [TextToSVG]
