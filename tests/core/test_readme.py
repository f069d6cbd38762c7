"""The README's Python example runs as it stands."""

import re
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"


def test_the_example_draws_four_pictures() -> None:
    example = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)[0]
    scope: dict[str, object] = {}
    exec(example, scope)
    assert tuple(scope["pictures"].shape) == (4, 3, 32, 32)  # type: ignore[attr-defined]
