"""Who is believed to be who, and that nobody reaches what is somebody else's."""

import io
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

from scorekit.host.errors import ParameterError
from scorekit_studio.desk import Desk, Studio
from scorekit_studio.limits import LimitError, Limits
from scorekit_studio.people import Identity, User, check_bind


def test_a_header_is_believed_only_from_the_proxy_that_is_configured() -> None:
    forged = {"X-Forwarded-User": "root"}
    local = Identity().user(forged, "203.0.113.5")
    assert local is not None
    assert local.id == "local"
    proxy = Identity(mode="proxy", proxies=["10.0.0.0/8"], admins=["root"])
    assert proxy.user(forged, "203.0.113.5") is None
    assert proxy.user(forged, None) is None
    user = proxy.user({"x-forwarded-user": "root"}, "::ffff:10.1.2.3")
    assert user is not None
    assert (user.name, user.admin, user.local) == ("root", True, False)
    assert proxy.user({}, "10.1.2.3") is None
    assert proxy.user({"X-Forwarded-User": ""}, "10.1.2.3") is None
    assert proxy.user({"X-Forwarded-User": "ann, root"}, "10.1.2.3") is None
    assert proxy.user({"X-Forwarded-User": "ann", "x-forwarded-user": "root"}, "10.1.2.3") is None
    assert proxy.user({"X-Forwarded-User": "root"}, "not an address") is None


def test_a_secret_keeps_other_processes_of_the_machine_out() -> None:
    proxy = Identity(mode="proxy", secret="s3")
    assert proxy.user({"X-Forwarded-User": "ann"}, "127.0.0.1") is None
    assert proxy.user({"X-Forwarded-User": "ann", "X-Scorekit-Proxy-Secret": "wrong"}, "127.0.0.1") is None
    assert proxy.user({"X-Forwarded-User": "ann", "X-Scorekit-Proxy-Secret": "s3"}, "127.0.0.1") is not None


def test_a_login_is_its_issuer_and_subject() -> None:
    oidc = Identity(mode="oidc", allowed=["@example.org"], admins=["ann@example.org"])
    claims = {"is_logged_in": True, "iss": "https://id", "sub": "7", "email": "ann@example.org", "email_verified": True}
    user = oidc.user(oidc=claims)
    assert user is not None
    assert user.admin
    moved = oidc.user(oidc={**claims, "email": "ann.b@example.org"})
    assert moved is not None
    assert (moved.id, moved.admin) == (user.id, False)
    for change in (
        {"is_logged_in": False},
        {"sub": None},
        {"email_verified": False},
        {"email": "ann@example.org.evil.net"},
        {"email": "ann@evil-example.org"},
    ):
        assert oidc.user(oidc={**claims, **change}) is None
    other = oidc.user(oidc={**claims, "iss": "https://other"})
    assert other is not None
    assert other.id != user.id
    assert oidc.user(headers={"X-Forwarded-User": "ann"}) is None


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "[::1]", "localhost", "127.8.8.8"])
def test_this_machine_may_always_be_bound_to(address: str) -> None:
    check_bind(address, authenticated=False)


@pytest.mark.parametrize("address", ["0.0.0.0", "", "::", "192.168.1.4", "example.org", "127.0.0.1.evil.net"])
def test_others_only_with_names_or_by_force(address: str) -> None:
    with pytest.raises(ValueError, match=r"--address .* lets others in"):
        check_bind(address, authenticated=False)
    check_bind(address, authenticated=True)
    check_bind(address, authenticated=False, forced=True)


@pytest.fixture
def desks(plugin: ModuleType, memory: Path) -> tuple[Desk, Desk, Desk]:
    """Two people and an administrator at a studio without workers."""
    assert plugin.Steps.name == "steps"
    studio = Studio(memory / "store", Limits(text_characters=300, submissions_a_minute=20), devices=["cpu"])
    return (
        studio.desk(User("ann", "Ann")),
        studio.desk(User("bob", "Bob")),
        studio.desk(User("root", "Root", admin=True)),
    )


def test_every_door_is_shut_to_others(desks: tuple[Desk, Desk, Desk]) -> None:
    ann, bob, root = desks
    job = ann.submit("steps", {"prompt": "a secret mushroom"})
    doors = [
        bob.job, bob.run, bob.folder, bob.cancel, bob.pause, bob.go_on, bob.left, bob.place, bob.zip, bob.live, bob.delete,
        bob.restore, lambda i: bob.artifact(i, "sum.json"), lambda i: bob.compare(i, i),
    ]  # fmt: skip
    for door in doors:
        with pytest.raises(PermissionError, match=f"there is no run '{job}' of yours"):
            door(job)
        with pytest.raises(PermissionError, match=r"there is no run '\.\./ann' of yours"):
            door("../ann")
    assert bob.search() == ([], 0)
    with pytest.raises(PermissionError, match="only an administrator"):
        bob.search(everybody=True)
    assert ann.job(job).state == "queued"
    assert root.job(job).parameters["prompt"] == "a secret mushroom"
    assert [j.id for j in root.search(everybody=True)[0]] == [job]


def test_others_see_that_somebody_waits_and_no_more(desks: tuple[Desk, Desk, Desk]) -> None:
    ann, bob, _ = desks
    ann.submit("steps", {"prompt": "a secret mushroom"})
    mine = bob.submit("steps")
    (first, place), (second, _) = bob.line()
    assert place is not None
    assert place.position == 1
    assert (first.owner, first.parameters, first.words) == ("", {}, "")
    assert "secret" not in repr(first)
    assert second.id == mine
    assert second.parameters["prompt"] == "a red mushroom"


def test_a_file_parameter_is_ones_own_upload(desks: tuple[Desk, Desk, Desk], tmp_path: Path) -> None:
    ann, bob, _ = desks
    mine = ann.upload("a.txt", b"text")
    ann.submit("steps", {"image": mine})
    for path in (mine, "/etc/passwd", "/no/such/file", tmp_path):  # one sentence: what exists is not told
        with pytest.raises(PermissionError, match="image must be a file that you uploaded"):
            bob.submit("steps", {"image": path})
    with pytest.raises(PermissionError, match="image must be a file that you uploaded"):
        bob.sweep("steps", {}, {"image": [None, "/etc/passwd"]})
    here = ann.studio.desk(User("local", "me", admin=True, local=True))
    (tmp_path / "mine.txt").write_text("x")
    here.submit("steps", {"image": str(tmp_path / "mine.txt")})


def test_a_model_is_a_name_and_no_folder_of_the_server(desks: tuple[Desk, Desk, Desk], tmp_path: Path) -> None:
    ann, _, _ = desks
    ann.submit("model", model="pico-image")
    (tmp_path / "model_index.json").write_text("{}")
    for name in (str(tmp_path), "/etc", "../x", "~/model", "nonsense"):
        with pytest.raises(PermissionError, match="model must be a name of the list of models or a hub id"):
            ann.submit("model", model=name)


def test_texts_rates_and_space_are_bounded(desks: tuple[Desk, Desk, Desk]) -> None:
    ann, bob, _ = desks
    with pytest.raises(LimitError, match="prompt has 301 characters; a text may have at most 300"):
        ann.submit("steps", {"prompt": "x" * 301})
    with pytest.raises(LimitError, match="a grid has at most 64 runs; this one has 9 x 8 = 72"):
        ann.sweep("steps", {}, {"steps": list(range(1, 10)), "seed": list(range(8))})
    with pytest.raises(LimitError, match="at most 20 submissions in 60 s"):
        ann.sweep("steps", {}, {"seed": list(range(21))})
    with pytest.raises(ParameterError, match="there is no application 'step'; did you mean steps"):
        ann.submit("step")
    bob.studio.limits = Limits(stored_bytes=0)
    bob.upload("a.txt", b"text")
    bob.studio.usage.clear()
    with pytest.raises(LimitError, match=r"your runs and files take 0\.0 GB; one person may have 0\.0 GB"):
        bob.submit("steps")


def test_a_zip_holds_relative_names_and_no_links(desks: tuple[Desk, Desk, Desk], tmp_path: Path) -> None:
    ann, _, _ = desks
    job = ann.submit("steps")
    folder = ann.folder(job)
    (tmp_path / "secret").write_text("secret")
    (folder / "link.txt").symlink_to(tmp_path / "secret")
    (folder / "away").symlink_to(tmp_path)
    (folder / ".hidden").write_text("x")
    (folder / "deep").mkdir()
    (folder / "deep" / 'a\\..\\b:"c\n.txt').write_text("odd")
    name, packed = ann.zip(job)
    assert name == f"{job}.zip"
    with zipfile.ZipFile(io.BytesIO(packed.read())) as archive:
        assert sorted(archive.namelist()) == [f"{job}/deep/a_.._b_c_.txt", f"{job}/run.json"]
    for wrong in ("run.json", "../secret", "link.txt", "/etc/passwd", "checkpoint.pt", ""):
        with pytest.raises(ParameterError, match="has no artifact"):
            ann.artifact(job, wrong)
