"""Tables of the benchmarks in the pages of docs: the lines between `<!-- NAME -->` and `<!-- end -->`."""

import re
from pathlib import Path


def fill(page: Path, name: str, text: str) -> None:
    """Put `text` between the marks of `name` in `page`. Raises SystemExit where the page has no such marks."""
    marks = re.compile(rf"(<!-- {re.escape(name)} -->\n).*?(<!-- end -->)", re.DOTALL)
    if not page.exists() or not marks.search(found := page.read_text()):
        raise SystemExit(f"{page} has no lines <!-- {name} --> and <!-- end --> for the table")
    page.write_text(marks.sub(lambda match: f"{match[1]}{text.strip()}\n{match[2]}", found))
