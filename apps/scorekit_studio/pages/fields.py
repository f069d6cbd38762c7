"""One widget for each parameter. What a widget asks and means is in `forms`; this draws it and keeps what was typed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from scorekit.host.errors import ParameterError
from scorekit.host.options import Option, options
from scorekit.host.plugin import Params
from scorekit_studio import forms
from scorekit_studio.desk import TROUBLE, Desk
from scorekit_studio.pages import words


def draw(
    params: type[Params], desk: Desk, scope: str, draft: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, str]]:
    """All fields, the advanced ones in a fold; returns JSON values, and what is wrong by field ("" for the whole).

    scope  prefix of the widgets' keys;  draft  JSON values to begin with
    """
    values, wrong = dict[str, Any](), dict[str, str]()
    places: dict[str, Any] = {}
    described = options(params)
    first = [o for o in described.values() if not o.advanced]
    rest = [o for o in described.values() if o.advanced]
    for option in first:
        _one(option, params, desk, scope, draft, values, wrong, places)
    if rest:
        with st.expander(f"Advanced ({len(rest)})", icon=":material/tune:", key=f"{scope}-advanced"):
            for option in rest:
                _one(option, params, desk, scope, draft, values, wrong, places)
    if not wrong:
        wrong = forms.problems(params, values)
    for field, sentence in wrong.items():
        if field in places:
            places[field].markdown(f":red[:material/error: {words.plain(sentence)}]")
    return values, wrong


def _one(
    option: Option,
    params: type[Params],
    desk: Desk,
    scope: str,
    draft: Mapping[str, Any],
    values: dict[str, Any],
    wrong: dict[str, str],
    places: dict[str, Any],
) -> None:
    begin = draft.get(option.field, option.default)
    with st.container(gap="xxsmall", key=f"{scope}-field-{option.field}"):
        try:
            held = _widget(option, desk, f"{scope}-{option.field}", begin)
            values[option.field] = forms.from_widget(option, held)
        except ParameterError as error:
            wrong[option.field] = str(error)
        except TROUBLE as error:
            wrong[option.field] = str(error)
        if option.description:
            st.caption(words.plain(option.description))
        _examples(option, params, f"{scope}-{option.field}")
        places[option.field] = st.empty()


def _widget(option: Option, desk: Desk, key: str, begin: Any) -> Any:
    """Draw the widget of an option; returns what it holds."""
    kind, name, helps = forms.widget(option), words.plain(forms.label(option)), words.plain(forms.hint(option)) or None
    if kind in ("file", "files"):
        return _files(option, desk, key, begin, name, helps)
    if key not in st.session_state:
        st.session_state[key] = _fitting(option, forms.to_widget(option, begin))
    if kind == "toggle":
        return st.toggle(name, key=key, help=helps)
    if kind == "choice":
        return _choice(option, key, name, helps)
    if kind == "choices":
        return st.multiselect(
            name, forms.choices(option), format_func=forms.spell, key=key, help=helps, placeholder="none"
        )
    low, high = forms.bounds(option)
    if kind == "slider":
        assert low is not None
        assert high is not None
        return st.slider(name, int(low), int(high), step=int(forms.step(option)), key=key, help=helps)
    if kind in ("integer", "number"):
        whole = kind == "integer"
        rest: dict[str, Any] = {"format": "%d" if whole else "%g", "key": key, "help": helps}
        if option.nullable:  # only then may it be cleared
            rest |= {"value": None, "placeholder": "none"}
        if whole:
            low, high = (None if bound is None else int(bound) for bound in (low, high))
        return st.number_input(name, low, high, step=forms.step(option), **rest)
    if kind == "text":
        return st.text_input(name, key=key, help=helps, placeholder="none" if option.nullable else None)
    height = 68 if kind == "long text" else 100
    return st.text_area(name, key=key, help=helps, height=height, placeholder="one a line" if kind == "lines" else None)


def _fitting(option: Option, held: Any) -> Any:
    """A value that the widget takes: one of its choices, within its range, of another version's run perhaps."""
    kind = forms.widget(option)
    if kind == "choice" and held is not None and held not in forms.choices(option):
        return option.default
    if kind == "choices":
        return [item for item in held if item in forms.choices(option)]
    if kind in ("slider", "integer", "number") and isinstance(held, int | float):
        low, high = forms.bounds(option)
        return type(held)(min(max(held, low if low is not None else held), high if high is not None else held))
    return held


def _choice(option: Option, key: str, name: str, helps: str | None) -> Any:
    offered = forms.choices(option)
    short = len(offered) <= 5 and sum(len(forms.spell(value)) for value in offered) <= 34
    if short and not option.nullable:
        return st.segmented_control(name, offered, format_func=forms.spell, key=key, help=helps, required=True)
    index = None if option.nullable else 0
    return st.selectbox(name, offered, index=index, format_func=forms.spell, key=key, help=helps, placeholder="none")


def _files(option: Option, desk: Desk, key: str, begin: Any, name: str, helps: str | None) -> Any:
    """An upload for each path; at this machine also the path itself. Holds the paths as texts."""
    many, folder = option.many, option.schema.get("format") == "directory-path"
    kept = f"{key}-kept"
    if kept not in st.session_state:
        st.session_state[kept] = forms.to_widget(option, begin)
    if not folder:
        given: Any = st.file_uploader(name, accept_multiple_files=many, key=f"{key}-upload", help=helps)  # type: ignore[call-overload]
        files = given if isinstance(given, list) else [given] if given is not None else []
        if files:
            known = st.session_state.setdefault(f"{key}-known", {})
            for file in files:  # the same upload comes again with every run of the script
                if file.file_id not in known:
                    known[file.file_id] = str(desk.upload(file.name, file.getvalue()))
            paths = [known[file.file_id] for file in files]
            return paths if many else paths[0]
    if desk.user.local:
        path_key = f"{key}-path"
        if path_key not in st.session_state:
            begin_path = st.session_state[kept]
            st.session_state[path_key] = "\n".join(begin_path) if many else begin_path
        shown = name if folder else f"{name}: or a path on this machine"
        if many:
            return [line for line in st.text_area(shown, key=path_key, height=68).splitlines() if line.strip()]
        typed = st.text_input(shown, key=path_key, placeholder="none" if option.nullable else None)
        return str(Path(typed).expanduser()) if typed.strip() else ""
    current = st.session_state[kept]
    if current:
        listed = current if many else [current]
        st.caption(words.plain("As in the run before: " + ", ".join(Path(path).name for path in listed)))
        if option.nullable and st.button("Without it", key=f"{key}-without", icon=":material/close:"):
            st.session_state[kept] = forms.to_widget(option, None)
            st.rerun(scope="fragment")
    return current


def _examples(option: Option, params: type[Params], key: str) -> None:
    """Values that the author suggests, one click away."""
    offered = [e for e in forms.examples(params, option) if isinstance(e, str | int | float)]
    if len(offered) < 2 or forms.widget(option) not in ("text", "long text", "integer", "number"):
        return

    def take() -> None:
        if chosen := st.session_state.get(f"{key}-example"):
            st.session_state[key] = forms.to_widget(option, chosen)
            st.session_state[f"{key}-example"] = None

    st.pills(
        f"Examples for {forms.label(option)}",
        offered,
        key=f"{key}-example",
        on_change=take,
        label_visibility="collapsed",
    )
