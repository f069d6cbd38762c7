"""The version of the contract between scorekit and its plugins: what a plugin asks for, and how something leaves it.

PLUGIN_API is raised in its second number by additions, in its first by breaks. A name that is to go warns for at least one
minor version before it does.
"""

import warnings
from contextvars import ContextVar

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version

from scorekit.host.errors import PluginError

PLUGIN_API = "1.1"

# What `deprecated` has said while a plugin was being loaded; None outside of that.
heard: ContextVar[list[str] | None] = ContextVar("heard", default=None)


class PluginDeprecationWarning(FutureWarning):
    """A plugin uses something that a later plugin API does not have. A FutureWarning, so that it is shown unasked."""


def deprecated(what: str, *, since: str, removed: str, instead: str, api: str = PLUGIN_API) -> None:
    """Say that `what` leaves the plugin API: called by whatever stands in for it until then.

    since    the API version that warns first;  removed  the one without it, at least one minor version later
    instead  what to use, as an author would write it

    Warns (PluginDeprecationWarning), also in the plugin's line of `scorekit plugins`. From `removed` on it raises PluginError,
    so that nothing outlives the version that was told. Raises ValueError for versions that leave no time to change.
    """
    if Version(removed).release[:2] <= Version(since).release[:2]:
        raise ValueError(f"{what}: removed must be a later minor version than since {since}, not {removed}")
    if Version(api) >= Version(removed):
        raise PluginError(f"{what} is gone since plugin API {removed}; use {instead}")
    if Version(api) < Version(since):
        return
    sentence = f"{what} goes away with plugin API {removed}; use {instead}"
    notes = heard.get()
    if notes is not None:
        notes.append(sentence)
    warnings.warn(sentence, PluginDeprecationWarning, stacklevel=3)


def api_fault(asked: object, distribution: str = "", api: str = PLUGIN_API) -> str:
    """Why a plugin written for the API versions `asked` cannot be used, and which of the two to upgrade; "" if it can."""
    try:
        wanted = SpecifierSet(asked)  # type: ignore[arg-type]
    except (InvalidSpecifier, TypeError, AttributeError):
        return f"its api {asked!r} is not a version specifier such as '>=1,<2'"
    if api in wanted:
        return ""
    says = f"it is written for plugin API {asked}; this scorekit has {api}"
    theirs = distribution or "its package"
    # A range is told from its ends: versions at, just below and just above each of them.
    near = {v for clause in wanted for v in _around(Version(clause.version.removesuffix(".*")))}
    if any(v in wanted for v in near if v > Version(api)):
        return f"{says}, which is too old: pip install --upgrade scorekit"
    if any(v in wanted for v in near if v < Version(api)):
        return f"{says}, for which the plugin is too old: pip install --upgrade {theirs}"
    return f"{says}, and no version is in that range: its author has to mend it"


def _around(version: Version) -> list[Version]:
    major, minor = (*version.release, 0)[:2]
    pairs = [(major, minor), (major, minor + 1), (major + 1, 0), (major, minor - 1), (major - 1, 9)]
    return [Version(f"{a}.{b}") for a, b in pairs if a >= 0 and b >= 0]
