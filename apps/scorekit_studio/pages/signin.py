"""The way in, for somebody whom the studio does not know."""

import streamlit as st

from scorekit_studio.pages import look, session


def draw() -> None:
    identity = session.studio().identity
    _, middle, _ = st.columns([1, 2, 1])
    with middle, st.container(border=True, key="sign-in"):
        st.image(str(look.STATIC / "icon.png"), width=64)
        look.heading("scorekit studio", "Turn diffusion models into meshes, drawings, sounds and policies.")
        if identity.mode == "proxy":
            st.info(
                "This studio learns your name from the server in front of it, which gave none. "
                "Open it by the address that your administrator gave you.",
                icon=":material/badge:",
            )
        elif st.user.get("is_logged_in"):
            st.warning("Your account may not use this studio; ask its administrator.", icon=":material/block:")
            st.button("Use another account", icon=":material/logout:", on_click=st.logout)
        else:
            st.button("Sign in", type="primary", icon=":material/login:", on_click=st.login, width="stretch")
