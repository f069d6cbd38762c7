"""The waiting line: who is next, and when. The same rule as `queue.CLAIM`, played forward.

The rule. Whenever a device is free it takes, of the jobs that may run on it,
1. a short job before a long one, but after SHORT_STREAK short ones in a row a long one, if there is any;
2. of these, one of the owner who was served longest ago (never: first);
3. of these, the one that was submitted first.
"""

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

SHORT_SECONDS = 30.0  # a job that equal jobs say will take no longer is short
SHORT_STREAK = 3
UNKNOWN_SECONDS = 60.0  # what a job is taken to need when nothing like it has been done


@dataclass(frozen=True)
class Waiting:
    """A job in the line: `seq` of submission, `device` auto or a name, `seconds` that it is expected to need."""

    id: str
    seq: int
    owner: str
    device: str
    short: bool
    seconds: float = UNKNOWN_SECONDS


@dataclass(frozen=True)
class Server:
    """A device: `free_in` seconds from now, `busy_for` whom until then, and its streak of short jobs."""

    device: str
    free_in: float = 0.0
    busy_for: str | None = None
    streak: int = 0


@dataclass(frozen=True)
class Place:
    """Where a job stands: `position` 1 is next; it should start in `starts_in` seconds, on `device`."""

    id: str
    position: int
    starts_in: float
    device: str


def forecast(
    line: Iterable[Waiting], servers: Sequence[Server], turns: Mapping[str, int], most_running: int
) -> list[Place]:
    """Play the rule forward: the order in which the jobs will be taken, and when. With one device the order is exact.

    turns         owner to the counter of when they were served last; absent: never
    most_running  jobs of one owner at a time
    A job that no device takes is left out.
    """
    left, turn = sorted(line, key=lambda w: w.seq), dict(turns)
    streaks = {s.device: s.streak for s in servers}
    running: dict[str, str | None] = {s.device: s.busy_for for s in servers}
    heap = [(s.free_in, number, s.device) for number, s in enumerate(servers)]
    heapq.heapify(heap)
    places: list[Place] = []
    counter = max(turn.values(), default=0)
    while left and heap:
        time, number, device = heapq.heappop(heap)
        running[device] = None
        busy = [owner for owner in running.values() if owner is not None]
        mine = [w for w in left if w.device in ("auto", device)]
        free = [w for w in mine if busy.count(w.owner) < most_running]
        if not free:
            if mine and heap:  # its owner is at work elsewhere: look again when the next device is free
                heapq.heappush(heap, (heap[0][0] + 1e-6, number, device))
            continue
        rush = streaks[device] < SHORT_STREAK
        chosen = min(free, key=lambda w: (w.short != rush, turn.get(w.owner, 0), w.seq))
        passed_over = any(not w.short for w in free)
        streaks[device] = streaks[device] + 1 if chosen.short and passed_over else 0
        counter += 1
        turn[chosen.owner] = counter
        left.remove(chosen)
        running[device] = chosen.owner
        places.append(Place(chosen.id, len(places) + 1, round(time, 3), device))
        heapq.heappush(heap, (time + chosen.seconds, number, device))
    return places
