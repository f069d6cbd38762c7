"""Who somebody is, as data: from the local machine, a trusted proxy's header, or an OpenID Connect login.

Nothing that a browser sends is believed unless the settings say who vouches for it.
"""

import hashlib
import hmac
import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

LOOPBACK = ("127.0.0.1/32", "::1/128")


@dataclass(frozen=True)
class User:
    """`id` owns runs and never changes; `name` is shown; an `admin` may see and stop everybody's runs.

    `local`: the person at this machine, who may name any of its files and models.
    """

    id: str
    name: str
    admin: bool = False
    local: bool = False


@dataclass(frozen=True)
class Identity:
    """How people are told apart.

    mode     local: everybody is the one local user;  proxy: a header names the user;  oidc: `st.login`
    header   of the proxy mode, such as X-Forwarded-User
    proxies  addresses and networks whose header is believed
    secret   if given, the proxy has to send it in the header X-Scorekit-Proxy-Secret, too: any process of a shared
             machine can reach a loopback address
    allowed  e-mail addresses, or domains as "@example.org", that may log in (oidc); empty: all that the provider lets in
    admins   names (proxy) or verified e-mail addresses (oidc)
    """

    mode: Literal["local", "proxy", "oidc"] = "local"
    header: str = "X-Forwarded-User"
    proxies: Sequence[str] = LOOPBACK
    secret: str | None = None
    allowed: Sequence[str] = ()
    admins: Sequence[str] = ()

    @property
    def authenticates(self) -> bool:
        """Whether it can tell people apart."""
        return self.mode != "local"

    def user(
        self, headers: Mapping[str, str] | None = None, peer: str | None = None, oidc: Mapping[str, Any] | None = None
    ) -> User | None:
        """Who makes a request; None: nobody known, show the way in.

        headers  of the request;  peer  the address it came from, None for this machine (as Streamlit says it)
        oidc     the claims of the login: Streamlit's `st.user` as a dict
        """
        match self.mode:
            case "local":
                return User("local", "local user", admin=True, local=True)
            case "proxy":
                return self._behind_proxy(headers or {}, peer)
            case "oidc":
                return self._logged_in(oidc or {})

    def _behind_proxy(self, headers: Mapping[str, str], peer: str | None) -> User | None:
        given: dict[str, list[str]] = {}
        for name, value in headers.items():
            given.setdefault(name.lower(), []).append(value)
        if not _within(peer or "127.0.0.1", self.proxies):
            return None
        if self.secret is not None:
            sent = given.get("x-scorekit-proxy-secret", [""])[0]
            if not hmac.compare_digest(sent.encode(), self.secret.encode()):
                return None
        names = given.get(self.header.lower(), [])
        # Two headers of one name, or a list in one: somebody added his own in front of the proxy's.
        if (
            len(names) != 1
            or not names[0].strip()
            or "," in names[0]
            or len(names[0]) > 200
            or not names[0].isprintable()
        ):
            return None
        name = names[0].strip()
        return User(f"proxy-{_digest(name)}", name, admin=name in self.admins)

    def _logged_in(self, claims: Mapping[str, Any]) -> User | None:
        subject, issuer = claims.get("sub"), claims.get("iss")
        if not claims.get("is_logged_in") or not isinstance(subject, str) or not subject:
            return None
        verified = claims.get("email_verified") in (True, "true")
        email = str(claims.get("email") or "").lower() if verified else ""
        if self.allowed and not any(
            email == a.lower() or (a.startswith("@") and email.endswith(a.lower())) for a in self.allowed
        ):
            return None
        # Issuer and subject, not the address: an address may be given to somebody else one day.
        name = str(claims.get("name") or claims.get("email") or "somebody")
        return User(
            f"oidc-{_digest(f'{issuer}|{subject}')}",
            name,
            admin=bool(email) and email in {a.lower() for a in self.admins},
        )


def check_bind(address: str, authenticated: bool, forced: bool = False) -> None:
    """Refuse, by ValueError, to listen where others can reach a studio that cannot tell people apart."""
    if is_loopback(address) or authenticated or forced:
        return
    raise ValueError(
        f"--address {address or '0.0.0.0'} lets others in, and this studio asks nobody for a name: whoever reaches it can run and "
        "read everything; use 127.0.0.1, configure a login or a proxy header, or insist with --force-public"
    )


def is_loopback(address: str) -> bool:
    """Whether only this machine can reach an address to listen on. An unknown name counts as public."""
    if address.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return False


def _within(address: str, networks: Sequence[str]) -> bool:
    try:
        place = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(place, ipaddress.IPv6Address) and place.ipv4_mapped is not None:
        place = place.ipv4_mapped
    return any(place in ipaddress.ip_network(network, strict=False) for network in networks)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:20]
