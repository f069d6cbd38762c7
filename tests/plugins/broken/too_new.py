"""It is written for a later plugin API."""

from scorekit.host.plugin import Application, Params, RunContext, hookimpl


class TooNew(Application):
    name, title = "too-new", "Too new"
    summary = "Saves a line of text."
    artifacts = ("line.txt",)
    api = ">=2,<3"

    def run(self, params: Params, ctx: RunContext) -> None:
        ctx.progress(1, 1)
        ctx.save("line.txt", f"a line {params}")


@hookimpl
def scorekit_applications() -> list[type[Application]]:
    return [TooNew]
