"""A few seconds of the load test; the whole is tests/benchmarks/studio_load.py."""

from benchmarks.studio_load import load

from scorekit_studio.desk import Studio


def test_a_handful_of_people_lose_nothing(studio: Studio) -> None:
    said = load(studio, users=5, seconds=3, patience=300)
    assert said["jobs"] >= 5
    assert said["lost"] == []
    assert set(said["states"]) <= {"done", "cancelled"}
    assert said["states"]["done"] >= 1
    assert sum(said["states"].values()) == said["jobs"]
