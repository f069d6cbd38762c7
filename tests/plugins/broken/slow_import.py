"""It takes its time to import, and works."""

import time

from scorekit.host.plugin import Application, Params, RunContext, hookimpl

time.sleep(1.5)


class SlowImport(Application):
    name, title = "slow-import", "Slow import"
    summary = "Saves a line of text."
    artifacts = ("line.txt",)

    def run(self, params: Params, ctx: RunContext) -> None:
        ctx.progress(1, 1)
        ctx.save("line.txt", f"a line {params}")


@hookimpl
def scorekit_applications() -> list[type[Application]]:
    return [SlowImport]
