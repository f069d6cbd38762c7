"""The studio as a program: `scorekit app`, or `python -m scorekit_studio`.

It starts the workers, then a Streamlit server in this process. Pages find the studio by `pages.session`.
"""

import argparse
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scorekit_studio import theme
from scorekit_studio.desk import Studio
from scorekit_studio.people import check_bind
from scorekit_studio.settings import Settings, SettingsError, read
from scorekit_studio.store import StoreError

SCRIPT = Path(__file__).parent / "pages" / "script.py"


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="scorekit app", description="The studio: every application in the browser.")
    made.add_argument("--root", metavar="DIR", help="where runs are kept [default: ~/.local/share/scorekit]")
    made.add_argument("--address", help="where to listen [default: 127.0.0.1, for this machine only]")
    made.add_argument("--port", type=int, help="[default: 8501]")
    made.add_argument(
        "--device", dest="devices", action="append", metavar="DEVICE", help="serve this device; repeat for more"
    )
    made.add_argument(
        "--config", metavar="FILE", help="settings as TOML: who may use it, limits [default: $SCOREKIT_STUDIO_CONFIG]"
    )
    made.add_argument(
        "--force-public", action="store_true", default=None, help="let others in without asking them for a name"
    )
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until somebody stops it. Returns an exit code: 2, after one sentence, for settings that cannot be used."""
    given = vars(parser().parse_args(arguments))
    try:
        settings = read(given.pop("config"), **given)
        check_bind(settings.address, settings.identity.authenticates, settings.force_public)
        _refuse_taken(settings)
        studio = Studio(settings.root, settings.limits, settings.identity, settings.devices)
        studio.start()
    except (ValueError, StoreError) as error:
        print(f"scorekit: {error}", file=sys.stderr)
        return 2
    try:
        serve(studio, settings)
    finally:
        studio.stop()
    return 0


def _refuse_taken(settings: Settings) -> None:
    """Say that a port is taken in one sentence, before anything is started."""
    try:
        found = socket.getaddrinfo(
            settings.address or None, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, kind, protocol, _, where = found[0]
        with socket.socket(family, kind, protocol) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind(where)
    except OSError as error:
        raise SettingsError(
            f"--address {settings.address} --port {settings.port} cannot be listened on: {error.strerror}; try another --port"
        ) from None


def serve(studio: Studio, settings: Settings) -> None:
    """Run the web server until it is stopped."""
    # Otherwise X-Forwarded-For of anybody at this machine replaces the address by which a proxy is known.
    os.environ["FORWARDED_ALLOW_IPS"] = ""
    from starlette.middleware import Middleware
    from streamlit.starlette import App

    from scorekit_studio.bodies import BoundedBodies
    from scorekit_studio.pages import session

    session.use(studio)
    shown = "127.0.0.1" if settings.address in ("", "0.0.0.0", "::") else settings.address
    host = f"[{shown}]" if ":" in shown else shown
    print(
        f"The studio is at http://{host}:{settings.port} (runs in {studio.store.root}); stop it with Ctrl-C.",
        flush=True,
    )
    options = configuration(studio, settings)
    app = App(
        SCRIPT,
        secrets={"auth": dict(settings.oidc)} if settings.oidc else None,
        middleware=[Middleware(BoundedBodies, options["server.maxUploadSize"] << 20)],
    )
    app.run(config=options)


def configuration(studio: Studio, settings: Settings) -> dict[str, Any]:
    """Options of Streamlit: where to listen, what may be uploaded, nothing sent anywhere, our colours."""
    return {
        "server.address": settings.address,
        "server.port": settings.port,
        "server.headless": True,
        "server.fileWatcherType": "none",
        "server.runOnSave": False,
        "server.maxUploadSize": max(1, studio.limits.upload_bytes >> 20),
        "browser.gatherUsageStats": False,
        "client.toolbarMode": "viewer",
        "client.showErrorDetails": "none" if settings.identity.authenticates else "full",
        "logger.hideWelcomeMessage": True,
        **theme.options(),
    }
