"""Its hook returns a class that is no Application."""

from scorekit.host.plugin import hookimpl


class JustAClass:
    name = "just-a-class"


@hookimpl
def scorekit_applications() -> list[type]:
    return [JustAClass]
