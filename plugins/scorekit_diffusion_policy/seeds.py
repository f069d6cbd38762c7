"""Which seeds train and which test. The two never meet: training seeds start where test seeds have ended.

Published PushT results use seeds from 100000 (real-stanford) and small ones; both ranges are kept for tests. The goals
behind the seeds are disjoint too, as a test of this plugin shows by drawing them.
"""

FIRST_TRAINING_SEED = 1_000_000
TEST_RANGES = (range(1000), range(100_000, 100_500))
METAWORLD_TEST_RANGES = (range(500_000, FIRST_TRAINING_SEED),)


def test_ranges(task: str) -> tuple[range, ...]:
    """The ranges of test seeds of `task`, in the order in which they are used."""
    return METAWORLD_TEST_RANGES if task.startswith("metaworld/") else TEST_RANGES


def test_seeds(task: str, count: int, skip: int = 0) -> list[int]:  # noqa: PT028
    """`count` test seeds of `task` after the first `skip`. Raises ValueError when there are fewer."""
    ranges = test_ranges(task)
    available = sum(len(one) for one in ranges)
    if not (count >= 0 and skip >= 0 and count + skip <= available):
        raise ValueError(f"{task} has {available} test seeds; {count} after the first {skip} were asked for")
    seeds: list[int] = []
    for one in ranges:
        taken = one[skip : skip + count - len(seeds)]
        skip = max(0, skip - len(one))
        seeds += taken
    return seeds


def training_seeds(count: int, skip: int = 0) -> list[int]:
    """`count` training seeds after the first `skip`; the same for every task."""
    if count < 0 or skip < 0:
        raise ValueError(f"count and skip must not be negative; got {count} and {skip}")
    return list(range(FIRST_TRAINING_SEED + skip, FIRST_TRAINING_SEED + skip + count))


def is_training_seed(seed: int) -> bool:
    """Whether demonstrations may be collected under `seed`."""
    return seed >= FIRST_TRAINING_SEED
