"""It is written for an earlier plugin API."""

from scorekit.host.plugin import Application, Params, RunContext, hookimpl


class TooOld(Application):
    name, title = "too-old", "Too old"
    summary = "Saves a line of text."
    artifacts = ("line.txt",)
    api = ">=0.5,<1"

    def run(self, params: Params, ctx: RunContext) -> None:
        ctx.progress(1, 1)
        ctx.save("line.txt", f"a line {params}")


@hookimpl
def scorekit_applications() -> list[type[Application]]:
    return [TooOld]
