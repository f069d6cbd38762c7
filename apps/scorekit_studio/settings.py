"""What a studio is told when it starts: a TOML file, the environment, and the command line; the later ones win.

    [server]                           [identity]                              [limits]
    address = "127.0.0.1"              mode = "proxy"    # local, proxy, oidc  running = 2
    port = 8501                        header = "X-Forwarded-User"             upload_bytes = 67108864
    root = "~/.local/share/scorekit"   proxies = ["10.0.0.0/8"]
    devices = ["cuda:0"]               admins = ["ann"]

    [oidc]                             # as Streamlit's [auth]; needs mode = "oidc"
    redirect_uri = "https://studio.example.org/oauth2callback"
    server_metadata_url = "https://login.example.org/.well-known/openid-configuration"
    client_id = "studio"

Secrets may stay out of the file: SCOREKIT_STUDIO_PROXY_SECRET, SCOREKIT_STUDIO_CLIENT_SECRET, SCOREKIT_STUDIO_COOKIE_SECRET.
"""

import dataclasses
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scorekit_studio.limits import Limits
from scorekit_studio.people import Identity

MODES = ("local", "proxy", "oidc")
OIDC = ("redirect_uri", "server_metadata_url", "client_id", "client_secret", "cookie_secret")
ENVIRONMENT = "SCOREKIT_STUDIO_"
KINDS = {int: "a whole number", str: "text", bool: "true or false", list: "a list of texts"}


class SettingsError(ValueError):
    """A setting that cannot be used; the sentence names it and what is allowed."""


@dataclass(frozen=True)
class Settings:
    """Where the studio listens (`address`, `port`), keeps its runs (`root`) and computes (`devices`), and for whom.

    force_public  listen where others can reach it though nobody is asked for a name
    oidc          Streamlit's [auth] section; empty unless identity.mode is oidc
    """

    address: str = "127.0.0.1"
    port: int = 8501
    root: str = "~/.local/share/scorekit"
    devices: Sequence[str] | None = None
    force_public: bool = False
    identity: Identity = field(default_factory=Identity)
    limits: Limits = field(default_factory=Limits)
    oidc: Mapping[str, str] = field(default_factory=dict)


def read(path: str | None, environment: Mapping[str, str] = os.environ, **given: Any) -> Settings:
    """Settings of the file `path` (default: that in SCOREKIT_STUDIO_CONFIG, if any), the environment and `given`.

    given  fields of Settings from the command line; None where it says nothing
    Raises SettingsError.
    """
    path = path or environment.get(ENVIRONMENT + "CONFIG")
    table = _file(Path(path).expanduser()) if path else {}
    if unknown := set(table) - {"server", "identity", "limits", "oidc"}:
        raise SettingsError(f"[{unknown.pop()}] is no section; there are [server], [identity], [limits], [oidc]")
    for section, values in table.items():
        if not isinstance(values, dict):
            raise SettingsError(f"{section} must be a section, written as [{section}]")
    server = dict(table.get("server", {}))
    for name, kind in (("address", str), ("port", int), ("root", str)):
        if word := environment.get(ENVIRONMENT + name.upper()):
            server[name] = _word(f"{ENVIRONMENT}{name.upper()}", word, kind)
    server |= {name: value for name, value in given.items() if value is not None}
    allowed: dict[str, type] = {"address": str, "port": int, "root": str, "devices": list, "force_public": bool}
    settings = Settings(
        **_checked("server", server, allowed),
        identity=_identity(table.get("identity", {}), environment),
        limits=Limits(**_checked("limits", table.get("limits", {}), {f.name: int for f in dataclasses.fields(Limits)})),
        oidc=_oidc(table.get("oidc", {}), table.get("identity", {}), environment),
    )
    if not 1 <= settings.port <= 65535:
        raise SettingsError(f"port must be a whole number from 1 to 65535; got {settings.port}")
    return settings


def _file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except OSError as error:
        raise SettingsError(f"--config {str(path)!r} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"--config {str(path)!r} is not TOML: {error}") from None


def _identity(table: Mapping[str, Any], environment: Mapping[str, str]) -> Identity:
    kinds: dict[str, type] = {
        "mode": str,
        "header": str,
        "proxies": list,
        "secret": str,
        "allowed": list,
        "admins": list,
    }
    values = _checked("identity", dict(table), kinds)
    if secret := environment.get(ENVIRONMENT + "PROXY_SECRET"):
        values["secret"] = secret
    if values.get("mode", "local") not in MODES:
        raise SettingsError(f"identity.mode must be one of {', '.join(MODES)}; got {values['mode']!r}")
    import ipaddress

    for network in values.get("proxies", []):
        try:
            ipaddress.ip_network(network, strict=False)
        except ValueError:
            raise SettingsError(f"identity.proxies must be addresses or networks; got {network!r}") from None
    return Identity(**values)


def _oidc(table: Mapping[str, Any], identity: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, str]:
    values = dict(table)
    for name in ("client_secret", "cookie_secret"):
        if word := environment.get(ENVIRONMENT + name.upper()):
            values[name] = word
    if identity.get("mode") != "oidc":
        return {}
    if missing := [name for name in OIDC if not isinstance(values.get(name), str) or not values[name]]:
        raise SettingsError(f"identity.mode oidc needs {', '.join('oidc.' + name for name in missing)}")
    if unknown := set(values) - {*OIDC, "client_kwargs"}:
        raise SettingsError(f"oidc.{unknown.pop()} is no setting; there are {', '.join(OIDC)}")
    return values


def _checked(section: str, values: Mapping[str, Any], kinds: Mapping[str, type]) -> dict[str, Any]:
    for name, value in values.items():
        kind = kinds.get(name)
        if kind is None:
            raise SettingsError(f"{section}.{name} is no setting; there are {', '.join(kinds)}")
        items = value if isinstance(value, list) else []
        right = type(value) is kind and all(isinstance(item, str) for item in items)
        if not right:
            raise SettingsError(f"{section}.{name} must be {KINDS[kind]}; got {value!r}")
        if kind is int and section == "limits" and value < 0:
            raise SettingsError(f"{section}.{name} must not be negative; got {value}")
    return dict(values)


def _word(name: str, word: str, kind: type) -> Any:
    try:
        return kind(word)
    except ValueError:
        raise SettingsError(f"{name} must be {KINDS[kind]}; got {word!r}") from None
