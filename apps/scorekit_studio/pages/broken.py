"""The page of a plugin that cannot be used: what is wrong, and how to mend it."""

import streamlit as st

from scorekit.host.registry import Row
from scorekit_studio.pages import look, session, words


def draw(row: Row) -> None:
    look.heading(row.title or row.name, row.summary)
    source = f"{row.distribution} {row.version}".strip() or "an unknown package"
    st.error(words.plain(f"It cannot be used: {row.reason}."), icon=":material/error:")
    st.subheader("How to mend it", anchor=False)
    command = advice(row)
    if command:
        st.write("Install what it lacks, on the machine of the studio:")
        st.code(command, language="sh")
    elif "plugin API" in row.reason:
        st.write("It was written for another version of scorekit. Look for a newer version of it:")
        st.code(f"pip install --upgrade {row.distribution}", language="sh")
    elif "already taken" in row.reason or "name already" in row.reason:
        st.write("Two packages bring the same name. Remove one of them:")
        st.code(f"pip uninstall {row.distribution}", language="sh")
    else:
        st.write(
            f"The fault is in the plugin's own code, in {words.plain(row.module)}. Its author can mend it with the report below; "
            "a newer version may have done so already. Everything else in the studio works as before."
        )
        if row.distribution:
            st.code(f"pip install --upgrade {row.distribution}", language="sh")
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


def advice(row: Row) -> str:
    """The command in a reason that names one, else ""."""
    return row.reason.partition("install by: ")[2]
