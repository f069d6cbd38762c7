"""Pages without a browser: what they say and do, run by Streamlit's own test runner on a studio that computes."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from studio_jobs import ended as ended_within

pytest.importorskip("streamlit")
from streamlit.testing.v1 import AppTest

from scorekit.host.errors import ParameterError
from scorekit.host.registry import Row
from scorekit_studio import store
from scorekit_studio.app import configuration, main
from scorekit_studio.desk import Studio
from scorekit_studio.estimate import Estimate
from scorekit_studio.job import Job
from scorekit_studio.pages import bench, broken, result, session, sheet, words
from scorekit_studio.people import Identity, User
from scorekit_studio.settings import SettingsError, read
from scorekit_studio.theme import DARK, LIGHT


def ended(studio: Studio, job_id: str) -> Job:
    """The job, when it has ended; the first one of a session waits for a worker that imports torch."""
    return ended_within(studio, job_id, seconds=300)


def page(draw: Callable[[], None], studio: Studio, **query: str) -> AppTest:
    """A page alone, with the navigation that its links need."""
    session.use(studio)
    test = AppTest.from_function(draw, default_timeout=600)
    for name, value in query.items():
        test.query_params[name] = value
    return test


def _bench() -> None:
    import streamlit as st

    from scorekit_studio.pages import bench, session

    page = st.Page(lambda: None, title="Page", url_path="page", default=True)
    session.keep_pages({"home": page, "gallery": page, "run": page, "application:steps": page})
    row = next(r for r in session.registry().rows if r.name == "steps")
    st.navigation([page])
    bench.draw(row)


def _gallery() -> None:
    import streamlit as st

    from scorekit_studio.pages import gallery, session

    page = st.Page(lambda: None, title="Page", url_path="page", default=True)
    session.keep_pages({"home": page, "gallery": page, "run": page, "application:steps": page})
    st.navigation([page])
    gallery.draw()


def texts(test: AppTest) -> str:
    shown = [*test.markdown, *test.caption, *test.error, *test.info, *test.title, *test.subheader]
    return "\n".join(str(element.value) for element in shown)


def test_a_form_submits_what_was_typed(studio: Studio) -> None:
    test = page(_bench, studio).run()
    assert not test.exception
    key = next(area.key for area in test.text_area if area.label == "Prompt")
    test.text_area(key).set_value("a *blue* car").run()
    test.number_input(next(n.key for n in test.number_input if n.label == "Steps")).set_value(3).run()
    next(b for b in test.button if b.label == "Run").click().run()
    assert not test.exception
    (job_id,) = test.query_params["run"]
    job = ended(studio, job_id)
    assert (job.parameters["prompt"], job.parameters["steps"], job.state) == ("a *blue* car", 3, "done")
    test.run()
    assert r"a \*blue\* car" in texts(test)
    assert any(button.label == "Delete" for button in test.button)


def test_a_wrong_value_stops_the_form_and_says_why(studio: Studio) -> None:
    test = page(_bench, studio).run()
    path = next(field for field in test.text_input if "path on this machine" in field.label)
    test.text_input(path.key).set_value("/nowhere/at/all.png").run()
    assert "Image must be an existing path; there is no '/nowhere/at/all.png'" in texts(test).replace("\\", "")
    assert next(b for b in test.button if b.label == "Run").disabled


def test_an_address_with_a_run_fills_the_form_with_it(studio: Studio) -> None:
    desk = studio.desk(_local())
    job = ended(studio, desk.submit("steps", {"prompt": "from before", "steps": 2}, seed=11))
    test = page(_bench, studio, run=job.id).run()
    assert next(area for area in test.text_area if area.label == "Prompt").value == "from before"
    assert next(n for n in test.number_input if n.label == "Seed").value == 11


def test_somebody_elses_run_is_not_shown_and_not_told_of(studio: Studio) -> None:
    job = ended(studio, studio.desk(User("ann", "Ann")).submit("steps", {"prompt": "ann's own"}))
    shared = Studio(studio.root, studio.limits, Identity(mode="proxy"))
    test = page(_bench, shared, run=job.id)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(session, "person", lambda: User("bob", "Bob"))
            test.run()
    finally:
        session.use(studio)
    assert not test.exception
    assert "no run" in texts(test)
    assert "ann's own" not in texts(test)
    assert all(area.value != "ann's own" for area in test.text_area)


@pytest.mark.parametrize(
    "asked", ["../../../etc/passwd", "..", "a\x00b", "<script>alert(1)</script>", "steps-*", "' OR 1=1 --"]
)
def test_an_address_that_names_no_run_ends_in_a_sentence(studio: Studio, asked: str) -> None:
    test = page(_bench, studio, run=asked).run()
    assert not test.exception
    assert "There is no run" in texts(test)
    for draw, name in ((_compare, "a"), (_sweep, "sweep")):
        test = page(draw, studio, **{name: asked, "b": asked}).run()
        assert not test.exception
        assert "no run" in texts(test) or "No such sweep" in texts(test)


def test_a_sweep_of_somebody_else_is_none(studio: Studio) -> None:
    name, _ = studio.desk(User("ann", "Ann")).sweep("steps", {"prompt": "ann's own", "steps": 1}, {"seed": [1, 2]})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session, "person", lambda: User("bob", "Bob"))
        test = page(_sweep, studio, sweep=name).run()
    assert "No such sweep" in texts(test)
    assert "ann's own" not in texts(test)


def _compare() -> None:
    import streamlit as st

    from scorekit_studio.pages import contrast, session

    page = st.Page(lambda: None, title="Page", url_path="page", default=True)
    session.keep_pages({"home": page, "gallery": page, "run": page})
    st.navigation([page])
    contrast.draw()


def _sweep() -> None:
    import streamlit as st

    from scorekit_studio.pages import session, sheet

    page = st.Page(lambda: None, title="Page", url_path="page", default=True)
    session.keep_pages({"home": page, "gallery": page, "run": page})
    st.navigation([page])
    sheet.draw()


def test_a_locked_store_is_said_on_the_form_and_the_next_press_works(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    test = page(_bench, studio).run()
    monkeypatch.setattr(store, "BUSY_SECONDS", 0.1)
    studio.store.close()
    with sqlite3.connect(studio.store.root / "studio.sqlite", isolation_level=None, timeout=60) as other:
        other.execute("BEGIN IMMEDIATE")
        next(b for b in test.button if b.label == "Run").click().run()
        other.execute("ROLLBACK")
    assert not test.exception
    assert "is locked by another process" in texts(test)
    assert "run" not in test.query_params
    monkeypatch.undo()
    studio.store.close()
    next(b for b in test.button if b.label == "Run").click().run()
    assert ended(studio, test.query_params["run"][0]).state == "done"


def test_a_full_disk_is_said_on_the_form_before_anything_is_pressed(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(studio.store), "free_bytes", lambda _: -1)
    test = page(_bench, studio).run()
    assert not test.exception
    assert "the disk of the studio has only" in texts(test).lower()
    assert next(b for b in test.button if b.label == "Run").disabled


def test_the_gallery_finds_deletes_and_takes_back(studio: Studio) -> None:
    desk = studio.desk(_local())
    job = ended(studio, desk.submit("steps", {"prompt": "a gallery piece", "steps": 1}))
    test = page(_gallery, studio).run()
    test.text_input("gallery-text").set_value("gallery piece").run()
    assert not test.exception
    assert "1 run" in texts(test)
    desk.delete(job.id)
    test.session_state["undo"] = job.id
    test.run()
    assert "No run fits" in texts(test)
    test.button("undo-delete").click().run()
    assert desk.job(job.id).binned is None


def _local() -> User:
    return User("local", "local user", admin=True, local=True)


def test_words() -> None:
    assert words.plain("**x** [a](b) $y$ :red[z]") == r"\*\*x\*\* \[a\]\(b\) \$y\$ \:red\[z\]"
    assert words.plain("one\n\n# two") == r"one \# two"
    assert [words.duration(s) for s in (0.2, 59.4, 125, 3000, 4800)] == [
        "0 s",
        "59 s",
        "2 min 5 s",
        "50 min",
        "1 h 20 min",
    ]
    assert [words.size(n) for n in (12, 2048, 3 * 2**20)] == ["12 bytes", "2 kB", "3 MB"]
    assert words.counted(1, "run") == "1 run"
    assert [words.number(n) for n in (0.123456, 19586.0, 7, True, None)] == ["0.1235", "19,586", "7", "yes", "none"]
    assert words.exact(0.123456) == "0.123456"


def test_an_estimate_is_a_sentence() -> None:
    assert bench.needed(Estimate()) == "How long it takes is known after the first run."
    assert (
        bench.needed(Estimate(weights=2**20, seconds=65, ram=2**30))
        == "Takes about 1 min 5 s (as the last time) and 1.0 GB of memory."
    )


def test_a_sweeps_axes_are_what_its_jobs_differ_in(studio: Studio) -> None:
    desk = studio.desk(_local())
    sweep, ids = desk.sweep("steps", {"steps": 1}, {"prompt": ["a", "b"], "seed": [0, 1, 2]})
    jobs = sorted(desk.search(sweep=sweep)[0], key=lambda job: job.seq)
    assert len(ids) == 6
    assert sheet.varied(jobs) == {"prompt": ["a", "b"], "seed": [0, 1, 2]}
    assert sheet.layout(sheet.varied(jobs)) == (["a", "b"], 3)


def test_provenance_says_what_is_needed_to_make_it_again(studio: Studio) -> None:
    desk = studio.desk(_local())
    job = ended(studio, desk.submit("steps", {"steps": 1}, seed=5))
    facts = result.facts(desk.run(job.id))
    assert facts["Run"]["seed"] == "5"
    assert facts["Parameters"]["steps"] == "1"
    assert "torch" in facts["Versions"]


def _row(reason: str) -> Row:
    return Row("bad", None, "", "", "bad", "bad-plugin", "0.1", "bad_plugin", 0.0, reason)


def test_advice_on_a_broken_plugin() -> None:
    assert broken.advice(_row('it needs mujoco; install by: pip install "scorekit[diffusion-policy]"')) == (
        "Install what it lacks, on the machine of the studio:",
        'pip install "scorekit[diffusion-policy]"',
    )
    said, command = broken.advice(_row("No module named 'x'; if that is a package, install it by: pip install x"))
    assert "If that is a package" in said
    assert command == "pip install x"
    said, command = broken.advice(_row("ImportError: no module"))
    assert "own code, in bad_plugin" in said
    assert command == "pip install --upgrade bad-plugin"


def test_settings_come_from_a_file_the_environment_and_the_command_line(tmp_path: Path) -> None:
    file = tmp_path / "studio.toml"
    file.write_text(
        '[server]\nport = 9000\naddress = "0.0.0.0"\n[identity]\nmode = "proxy"\nproxies = ["10.0.0.0/8"]\nadmins = ["ann"]\n'
        "[limits]\nrunning = 1\n"
    )
    environment = {"SCOREKIT_STUDIO_PORT": "9001", "SCOREKIT_STUDIO_PROXY_SECRET": "s3"}
    settings = read(str(file), environment)
    assert (settings.port, settings.address, settings.identity.secret, settings.limits.running) == (
        9001,
        "0.0.0.0",
        "s3",
        1,
    )
    assert read(str(file), environment, port=9002).port == 9002
    assert read(None, {"SCOREKIT_STUDIO_CONFIG": str(file)}).port == 9000
    assert read(None, {}).address == "127.0.0.1"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[server]\nport = 0", "port must be a whole number from 1 to 65535; got 0"),
        ('[server]\nport = "x"', "server.port must be a whole number; got 'x'"),
        ("[sever]\nport = 1", "[sever] is no section"),
        ("[identity]\nmode = 'root'", "identity.mode must be one of local, proxy, oidc; got 'root'"),
        ("[identity]\nproxies = ['home']", "identity.proxies must be addresses or networks; got 'home'"),
        ("[identity]\nmode = 'oidc'\n[oidc]\nclient_id = 'a'", "identity.mode oidc needs oidc.redirect_uri"),
        ("[limits]\nrunnin = 1", "limits.runnin is no setting"),
        ("server = 1", "server must be a section"),
        ("[", "is not TOML"),
    ],
)
def test_wrong_settings_are_named(tmp_path: Path, text: str, sentence: str) -> None:
    file = tmp_path / "studio.toml"
    file.write_text(text)
    with pytest.raises(SettingsError) as error:
        read(str(file), {})
    assert sentence in str(error.value)


def test_a_public_address_without_names_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--address", "0.0.0.0", "--root", str(tmp_path / "s")]) == 2
    assert "--force-public" in capsys.readouterr().err
    assert not (tmp_path / "s").exists()


def test_a_taken_port_is_said_in_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert main(["--port", str(taken.getsockname()[1]), "--root", str(tmp_path / "s")]) == 2
    assert "cannot be listened on" in capsys.readouterr().err


def test_nothing_is_sent_anywhere_and_streamlit_knows_every_option(studio: Studio) -> None:
    from streamlit import config

    options = configuration(studio, read(None, {}))
    assert options["browser.gatherUsageStats"] is False
    assert options["server.address"] == "127.0.0.1"
    assert set(options) <= set(config._config_options_template)


@pytest.mark.parametrize("colours", [LIGHT, DARK])
def test_texts_can_be_read(colours: dict[str, str]) -> None:
    """WCAG 2.1: 4.5 to 1 for text and links on each background that they stand on."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for text in (colours["textColor"], colours["linkColor"]):
        for ground in (
            colours["backgroundColor"],
            colours["secondaryBackgroundColor"],
            colours["sidebar.backgroundColor"],
        ):
            high, low = sorted((luminance(text), luminance(ground)), reverse=True)
            assert (high + 0.05) / (low + 0.05) >= 4.5


def test_a_job_that_is_none_is_a_sentence(studio: Studio) -> None:
    test = page(_bench, studio, run="steps-none").run()
    assert not test.exception
    assert test.error
    with pytest.raises(ParameterError):
        studio.desk(_local()).submit("nothing")


def test_the_command_line_starts_the_studio_or_says_what_it_lacks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import importlib.util

    from scorekit.host import cli

    assert cli.main(["app", "--help"]) == 0
    assert "--force-public" in capsys.readouterr().out
    assert cli.main(["app", "--port", "x"]) == 2
    capsys.readouterr()
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "streamlit" else found(name))
    assert cli.main(["app"]) == 1
    assert 'pip install "scorekit[studio]"' in capsys.readouterr().err


def test_the_example_is_small_and_the_usual_values_are_a_press_away(
    studio: Studio, plugin: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugin.Steps, "demo", {"steps": 2})
    test = page(_bench, studio).run()
    next(b for b in test.button if b.label == "Try it").click().run()
    assert not test.exception
    job = ended(studio, test.query_params["run"][0])
    assert (job.parameters["steps"], job.state) == (2, "done")
    test.run()
    steps = next(n for n in test.number_input if n.label == "Steps")
    assert steps.value == 2
    assert "The example is small" in texts(test)
    next(b for b in test.button if b.label == "Fill in the usual values").click().run()
    assert not test.exception
    assert next(n for n in test.number_input if n.label == "Steps").value == 5
    assert "The example is small" not in texts(test)
    monkeypatch.setattr(plugin.Steps, "demo", None)
    test = page(_bench, studio).run()
    assert not any(b.label == "Try it" for b in test.button)
