"""Its application has the name of one of scorekit's own."""

from scorekit.host.plugin import Application, Params, RunContext, hookimpl


class Duplicate(Application):
    name, title = "text-to-svg", "Another one"
    summary = "Saves a line of text."
    artifacts = ("line.txt",)

    def run(self, params: Params, ctx: RunContext) -> None:
        ctx.progress(1, 1)
        ctx.save("line.txt", f"a line {params}")


@hookimpl
def scorekit_applications() -> list[type[Application]]:
    return [Duplicate]
