"""The page of a plugin that cannot be used: what is wrong, and how to mend it."""

import re

import streamlit as st

from scorekit.host.registry import Row
from scorekit_studio.pages import look, session, words


def draw(row: Row) -> None:
    look.heading(row.title or row.name, row.summary)
    source = f"{row.distribution} {row.version}".strip() or "an unknown package"
    st.error(words.plain(f"It cannot be used: {row.reason}."), icon=":material/error:")
    st.subheader("How to mend it", anchor=False)
    said, command = advice(row)
    st.write(words.plain(said))
    if command:
        st.code(command, language="sh", wrap_lines=True)
    if st.button("Look again", type="primary", icon=":material/refresh:"):
        session.look_again()
        session.go("home")
    st.subheader("For its author", anchor=False)
    st.caption(words.plain(f"Package {source}, entry point {row.plugin} = {row.module}."))
    if row.detail and _may_read():
        with st.expander("Report", expanded=False, icon=":material/bug_report:"):
            st.code(row.detail, language="text", wrap_lines=True)


def _may_read() -> bool:
    """Tracebacks name files of the server."""
    user = session.person()
    return user is not None and user.admin


def advice(row: Row) -> tuple[str, str]:
    """How to mend it: a sentence, and a command for the terminal or ""."""
    command = found[1] if (found := re.search(r"\b(pip install .+)$", row.reason)) else ""
    newer = f"pip install --upgrade {row.distribution}" if row.distribution else ""
    if "install by: " in row.reason:
        return "Install what it lacks, on the machine of the studio:", command
    if "install it by: " in row.reason:
        return (
            "A module that it imports is not here. If that is a package, install it on the machine of the studio:",
            command,
        )
    if "which is too old" in row.reason:
        return "It was written for a newer scorekit than this one. Upgrade scorekit:", command
    if "it asks for scorekit" in row.reason:
        return "It asks for another scorekit than this one. Upgrade scorekit:", "pip install --upgrade scorekit"
    if "plugin is too old" in row.reason:
        return "It was written for an older scorekit. Look for a newer version of it:", command or newer
    if "already taken" in row.reason:
        return (
            "Two packages bring the same name, and the first one keeps it. Remove one of the two:",
            f"pip uninstall {row.distribution}",
        )
    return (
        f"The fault is in the plugin's own code, in {row.module}. Its author can mend it with what is said below; a newer version may "
        "have done so already. Everything else in the studio works as before.",
        newer,
    )
