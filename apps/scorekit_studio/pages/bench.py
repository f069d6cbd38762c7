"""An application at work: the form on one side, a run on the other. `?run=ID` in the address is the run, also after a reload."""

from typing import Any

import streamlit as st

from scorekit.host.models import listing
from scorekit.host.options import options, validate
from scorekit.host.plugin import Application
from scorekit.host.registry import Row
from scorekit_studio import estimate, forms
from scorekit_studio.desk import TROUBLE, Desk
from scorekit_studio.job import Job
from scorekit_studio.pages import fields, look, result, running, session, words

MOST_SEED = 2**32 - 1


@session.guarded
def draw(row: Row) -> None:
    """The page of an application."""
    app, desk = row.app, session.desk()
    assert app is not None
    look.heading(app.title, app.summary)
    job = _asked_for(desk, app)
    scope = _scope(app, job)
    with st.container(key="bench-run" if job else "bench-new"):
        left, right = st.columns([5, 8], gap="medium")
        with left:
            _small(app, scope)
            _form(app, scope)
        with right:
            session.show_complaint()
            if job is None:
                _about(app, desk)
            else:
                show(job)


@session.guarded
def alone() -> None:
    """A run whose application is not installed here, or the words for one that cannot be shown."""
    try:
        job = session.desk().job(st.query_params.get("run", ""))
    except PermissionError as error:
        look.heading("No such run")
        session.complain(error)
        look.empty("Your own runs", "What you made is in the gallery, with its addresses.", "gallery", "To the gallery")
        return
    if (page := session.page_of(job)).url_path != "run":
        st.switch_page(page, query_params={"run": job.id})
    look.heading(job.title)
    st.info(
        words.plain(f"{job.application} is not installed here; its run can still be seen."),
        icon=":material/extension_off:",
    )
    show(job)


def show(job: Job) -> None:
    """A run, going on or ended."""
    if job.ended_for_good:
        result.draw(job.id)
    else:
        running.draw(job.id)


def _asked_for(desk: Desk, app: type[Application]) -> Job | None:
    """The run that the address names, if it is one of this application."""
    asked = st.query_params.get("run")
    if not asked:
        return None
    try:
        job = desk.job(asked)
    except PermissionError as error:
        session.complain(error)
        return None
    if (job.application, job.kind) != (app.name, app.kind):
        session.open_run(job)
    return job


def _scope(app: type[Application], job: Job | None) -> str:
    """The prefix of the form's keys. A run that was not sent from this form fills it anew."""
    state: dict[str, Any] = st.session_state.setdefault(
        _state(app), {"turn": 0, "run": None, "draft": {}, "small": False}
    )
    if job is not None and state["run"] != job.id:
        state["run"], state["turn"] = job.id, state["turn"] + 1
        known = options(app.Params)
        state["draft"] = {k: v for k, v in job.parameters.items() if k in known}
        state["draft"] |= {" seed": job.seed, " model": job.model, " device": job.device}
        state["small"] = _is_example(app, job)
    return f"{app.kind}-{app.name}-{state['turn']}"


def _is_example(app: type[Application], job: Job) -> bool:
    """Whether a run has the small values of the example, which are not what one would work with."""
    if not app.demo:
        return False
    small = validate(app.Params, dict(app.demo)).model_dump(mode="json")
    return all(job.parameters.get(name) == small[name] for name in app.demo)


def _small(app: type[Application], scope: str) -> None:
    """Above a form that is filled with the example's values: the way to those one would work with."""
    state: dict[str, Any] = st.session_state[_state(app)]
    if not state["small"]:
        return

    def usual() -> None:
        state["draft"], state["turn"], state["small"] = {}, state["turn"] + 1, False

    with st.container(horizontal=True, vertical_alignment="center", key="small"):
        st.caption("The example is small, to take seconds. A run for its result takes longer.")
        st.button(
            "Fill in the usual values",
            key=f"{scope}--usual",
            icon=":material/restart_alt:",
            type="tertiary",
            on_click=usual,
        )


def _state(app: type[Application]) -> str:
    """Where the session keeps what was typed for an application."""
    return f"form of {app.kind} {app.name}"


@st.fragment
def _form(app: type[Application], scope: str) -> None:
    """Parameters, where and with what to compute, and the button. A fragment: typing draws nothing else anew."""
    desk = session.desk()
    state: dict[str, Any] = st.session_state[_state(app)]
    with st.container(border=True, key="form"):
        values, wrong = fields.draw(app.Params, desk, scope, state["draft"])
        chosen = _settings(app, desk, scope, state["draft"])
        state["draft"] = {**state["draft"], **values, **{f" {k}": v for k, v in chosen.items()}}
        with st.container(key="submit-bar", gap="xsmall"):
            refusal = _need(desk, app, values, chosen, wrong)
            if st.button(
                "Run", key=f"{scope}-submit", type="primary", icon=":material/play_arrow:", width="stretch",
                disabled=bool(wrong or refusal), shortcut="Ctrl+Enter",
            ):  # fmt: skip

                def submit() -> None:
                    job_id = desk.submit(app, values, **chosen)
                    state["run"], state["small"] = job_id, False  # the form that made it stays as it is
                    st.query_params["run"] = job_id

                session.attempt(submit)
                st.rerun()
    _sweep(app, desk, scope, values, chosen, wrong)


def _settings(app: type[Application], desk: Desk, scope: str, draft: dict[str, Any]) -> dict[str, Any]:
    """Seed, and in a fold the model and the device."""
    key = f"{scope}--seed"
    if key not in st.session_state:
        st.session_state[key] = int(draft.get(" seed") or 0)

    def roll() -> None:
        import secrets

        st.session_state[key] = secrets.randbelow(1_000_000)

    with st.container(horizontal=True, vertical_alignment="bottom"):
        seed = st.number_input(
            "Seed", 0, MOST_SEED, value=None, step=1, key=key, help="The same seed gives the same result."
        )
        st.button(
            "Another seed", key=f"{scope}--roll-icon-only", icon=":material/casino:", help="Another seed", on_click=roll
        )
    chosen: dict[str, Any] = {"seed": int(seed or 0), "model": None, "device": "auto"}
    with st.expander("Model and device", icon=":material/memory:", key=f"{app.kind}-{app.name}--where"):
        if app.default_model is not None:
            rows = listing()
            names = list(dict.fromkeys([app.default_model, *(row["name"] for row in rows)]))
            key = f"{scope}--model"
            if key not in st.session_state:
                st.session_state[key] = draft.get(" model") or app.default_model
            if st.session_state[key] not in names:
                names.append(st.session_state[key])
            places = "a hub id, or a folder of this machine" if desk.user.local else "or a hub id"
            model = st.selectbox(
                "Model", names, key=key, accept_new_options=True, help=f"One of the list, {places}: type it."
            )
            chosen["model"] = None if model == app.default_model else model
            for row in rows:
                if row["name"] == model:
                    st.caption(words.plain(row["summary"]))
        devices = ["auto", *(w["device"] for w in desk.workers())]
        key = f"{scope}--device"
        if key not in st.session_state:
            st.session_state[key] = draft.get(" device") if draft.get(" device") in devices else "auto"
        chosen["device"] = st.selectbox("Device", devices, key=key, help="auto: whichever is free first.")
    return chosen


def _need(
    desk: Desk, app: type[Application], values: dict[str, Any], chosen: dict[str, Any], wrong: dict[str, str]
) -> str | None:
    """Say what it will take, or why it cannot be taken; returns the refusal."""
    if wrong:
        if "" in wrong:
            st.error(words.plain(wrong[""]), icon=":material/error:")
        elif len(wrong) > 1:
            st.caption(f"{len(wrong)} fields have to be mended first.")
        return None
    try:
        need, refusal = desk.need(app, values, model=chosen["model"], device=chosen["device"])
    except TROUBLE as error:
        session.complain(error)
        return str(error)
    if refusal:
        session.complain(refusal)
        return refusal
    st.caption(needed(need))
    return None


def needed(need: estimate.Estimate) -> str:
    """An estimate in a sentence."""
    parts = []
    if need.seconds is not None:
        parts.append(f"about {words.duration(need.seconds)} (as the last time)")
    if need.vram is not None:
        parts.append(f"{words.size(need.vram)} of the device's memory")
    elif need.ram is not None:
        parts.append(f"{words.size(need.ram)} of memory")
    elif need.weights:
        parts.append(f"{words.size(need.weights)} for the model's weights")
    if not parts:
        return "How long it takes is known after the first run."
    known = "" if need.seconds is not None else " How long is known after the first run."
    return "Takes " + " and ".join(parts) + "." + known


def _about(app: type[Application], desk: Desk) -> None:
    """Beside an empty form: what comes out, from where the method is, and an example."""
    with st.container(border=True, key="about"):
        look.example(app, "card")
        if app.artifacts:
            st.markdown("**Makes** " + ", ".join(f"`{pattern}`" for pattern in app.artifacts))
        if app.reference:
            st.markdown(f"**After** {words.plain(app.reference)}")
        if app.demo is not None and st.button("Try it", key="try", icon=":material/play_arrow:"):

            def submit() -> None:
                st.query_params["run"] = desk.submit(app, app.demo)

            session.attempt(submit)
            st.rerun()
        small = "" if app.demo is None else "Try it runs a small example, which takes seconds. "
        st.caption(f"{small}Change what you like on the form, or press Run as it is. Ctrl+Enter runs it, too.")


def _sweep(
    app: type[Application],
    desk: Desk,
    scope: str,
    values: dict[str, Any],
    chosen: dict[str, Any],
    wrong: dict[str, str],
) -> None:
    """Several values of up to two parameters at once."""
    offered = forms.sweepable(app.Params)
    with st.expander("Sweep: try several values", icon=":material/grid_view:", key=f"{app.kind}-{app.name}--sweep"):
        names = {" seed": "Seed"} | {field: forms.label(option) for field, option in offered.items()}
        picked = st.multiselect(
            "What to vary", list(names), format_func=names.__getitem__, max_selections=2, key=f"{scope}--axes",
            placeholder="one or two parameters",
        )  # fmt: skip
        axes: dict[str, list[Any]] = {}
        for field in picked:
            axes[field.strip()] = _axis(offered.get(field), names[field], f"{scope}--axis-{field}")
        count = 1
        for given in axes.values():
            count *= len(given)
        ready = bool(axes) and count > 0 and not wrong
        text = f"Run {words.counted(count, 'combination')}" if ready else "Run all combinations"
        if st.button(text, key=f"{scope}--sweep-go", disabled=not ready, icon=":material/grid_view:", width="stretch"):

            def submit() -> None:
                st.session_state["swept"], _ = desk.sweep(app, values, axes, **chosen)

            if session.attempt(submit):
                session.go("sweep", sweep=st.session_state.pop("swept"))
            st.rerun()


def _axis(option: Any, name: str, key: str) -> list[Any]:
    """The values of one axis; none if they mean nothing yet."""
    if option is not None and forms.widget(option) in ("choice", "toggle"):
        offered = forms.choices(option) if forms.widget(option) == "choice" else [False, True]
        return st.multiselect(name, offered, default=offered, format_func=forms.spell, key=key)
    lines = option is not None and forms.widget(option) in ("text", "long text")
    if lines:
        typed = st.text_area(name, key=key, placeholder="one a line", height=100)
    else:
        typed = st.text_input(name, key=key, placeholder="1, 2, 3" if option is not None else "0-3")
    try:
        return forms.axis(option, typed or "")
    except ValueError as error:
        st.markdown(f":red[{words.plain(str(error))}]")
        return []
