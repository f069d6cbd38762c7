"""It declares a dependency that is not installed, as a plugin should."""

from scorekit.host.plugin import Application, Params, RunContext, hookimpl


class AbsentExtra(Application):
    name, title = "absent-extra", "Absent extra"
    summary = "Saves a line of text."
    artifacts = ("line.txt",)
    requires = ("a_library_that_is_absent",)

    def run(self, params: Params, ctx: RunContext) -> None:
        ctx.progress(1, 1)
        ctx.save("line.txt", f"a line {params}")


@hookimpl
def scorekit_applications() -> list[type[Application]]:
    return [AbsentExtra]
