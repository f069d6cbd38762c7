"""What happens to a run when processes are killed under it, and to those who want somebody else's."""

import http.client
import os
import signal
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from chromium import expect
from forwarder import SOURCE, forward
from visiting import GONE, finished, job_of, navigate, put, run, visit

pytestmark = pytest.mark.browser


def begin(page: Any, url: str, prompt: str = "a red mushroom") -> str:
    """A run of eight steps that has worked four and waits for `let_on`."""
    visit(page, f"{url}/steps", "Steps")
    put(page, "Prompt", prompt)
    put(page, "Steps", "8")
    put(page, "Gate", "5")
    job_id = run(page)
    page.get_by_text("Step 4 of 8").first.wait_for()
    return job_id


def let_on(server: Any, job_id: str) -> Path:
    """Open the gate of a run; returns its folder."""
    folder: Path = server.folder / "store" / "runs" / job_id
    (folder / "open").touch()
    return folder


def went_on(folder: Path) -> None:
    """The run began once, and every step was worked; those after its last checkpoint perhaps twice."""
    worked = (folder / "journal").read_text().split()
    assert set(worked) == set("12345678")
    assert worked.count("1") == 1


def test_a_run_goes_on_after_the_server_was_killed(make_server: Any, watch: Any) -> None:
    own = make_server()
    watched = watch(own)
    watched.expected += GONE
    page = watched.page()
    job_id = begin(page, own.url)
    own.kill()
    own.start()
    visit(page, f"{own.url}/?run={job_id}", "Steps")
    folder = let_on(own, job_id)
    finished(page)
    went_on(folder)


def test_a_run_goes_on_after_its_worker_was_killed(server: Any, watch: Any) -> None:
    page = watch(server).page()
    job_id = begin(page, server.url)
    with sqlite3.connect(server.folder / "store" / "studio.sqlite") as db:
        (worker,) = db.execute("SELECT pid FROM workers WHERE device = 'cpu'").fetchone()
    os.kill(worker, signal.SIGKILL)
    folder = let_on(server, job_id)
    finished(page)
    assert job_of(page) == job_id
    went_on(folder)
    with sqlite3.connect(server.folder / "store" / "studio.sqlite") as db:
        assert db.execute("SELECT attempts FROM jobs WHERE id = ?", (job_id,)).fetchone() == (1,)


def test_two_people_do_not_see_each_others_runs(make_server: Any, watch: Any, tmp_path: Path) -> None:
    """Names come with a header, which is believed of the server in front only, whatever else a browser claims."""
    config = tmp_path / "studio.toml"
    config.write_text(f'[identity]\nmode = "proxy"\nproxies = ["{SOURCE}"]\n')
    own = make_server("--config", str(config))
    with forward(own.port) as front:
        ann = watch(front, extra_http_headers={"X-Forwarded-User": "ann"}).page()
        job_id = begin(ann, front.url, "a secret of ann")
        bob = watch(front, extra_http_headers={"X-Forwarded-User": "bob"}).page()
        visit(bob, f"{front.url}/?run={job_id}", "No such run")
        bob.get_by_role("alert").first.wait_for()
        visit(bob, f"{front.url}/compare?a={job_id}&b={job_id}", "Compare")
        bob.get_by_text("of yours").wait_for()
        navigate(bob, "Queue and storage")
        bob.get_by_text("Somebody else's run").wait_for()
        navigate(bob, "Gallery")
        bob.get_by_text("Nothing made yet").wait_for()
        assert "secret" not in bob.content()
        forged = {
            "X-Forwarded-User": "ann",
            "X-Forwarded-For": SOURCE,
            "X-Real-IP": SOURCE,
            "Forwarded": f"for={SOURCE}",
        }
        for door, headers in ((front, {"X-Forwarded-For": "127.0.0.1"}), (own, forged)):
            nobody = watch(door, extra_http_headers=headers).page()
            visit(nobody, f"{door.url}/?run={job_id}", "scorekit studio")
            nobody.get_by_text("learns your name").wait_for()
            expect(nobody.get_by_test_id("stSidebarNavLink")).to_have_count(0)
        ann.get_by_role("button", name="Cancel").click()
        finished(ann, "cancelled")


OUTSIDE = (
    "/media/../../../../etc/passwd", "/static/..%2f..%2f..%2fetc/passwd", "/static/%2e%2e/%2e%2e/app.py", "/app/static/../script.py",
    "/component/..%2f..%2fetc/passwd", "/_stcore/upload_file/..%2f../etc/passwd", "//etc/passwd", "/..%5c..%5cetc%5cpasswd",
    "/runs/studio.sqlite", "/store/studio.sqlite",
)  # fmt: skip


def asked(server: Any, path: str, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
    """Status and body of a request as it is written, without a browser that would mend it."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        connection.request("GET", path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, b"" if answer.status == 101 else answer.read()
    finally:
        connection.close()


def test_no_address_leads_out_of_the_studio(server: Any) -> None:
    status, page = asked(server, "/")
    assert status == 200
    for path in OUTSIDE:
        status, found = asked(server, path)
        assert status >= 400 or found == page, path  # the page itself stands at every unknown address
        assert b"root:" not in found
        assert b"SQLite format" not in found


def test_a_page_of_another_host_cannot_speak_for_the_person_here(server: Any) -> None:
    """What a browser sends for a page from elsewhere, or for a name that somebody turned to this machine."""
    handshake = {
        "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "c3R1ZGlvIHRlc3Qga2V5IQ==",
    }  # fmt: skip
    for origin, status in (("http://evil.example", 403), (f"http://127.0.0.1:{server.port}", 101)):
        assert asked(server, "/_stcore/stream", {**handshake, "Origin": origin})[0] == status
