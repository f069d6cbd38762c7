"""It writes to stdout when it is imported, by print and past Python, and works."""

import os

from scorekit.host.plugin import Application, Params, RunContext, hookimpl

print("Welcome to my plugin!")
os.write(1, b"and a line from elsewhere\n")


class Talkative(Application):
    name, title = "talkative", "Talkative"
    summary = "Saves a line of text."
    artifacts = ("line.txt",)

    def run(self, params: Params, ctx: RunContext) -> None:
        ctx.progress(1, 1)
        ctx.save("line.txt", f"a line {params}")


@hookimpl
def scorekit_applications() -> list[type[Application]]:
    return [Talkative]
