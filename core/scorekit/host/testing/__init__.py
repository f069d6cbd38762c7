"""The conformance suite for plugin authors: does a plugin keep what the host, the studio and other plugins count on?

```python
# tests/test_my_walk.py
from scorekit.host.testing import conformance

test_conformance = conformance("my_walk")   # the module that the entry point names
```

The same from the terminal: `scorekit plugins --check my-walk`. `docs/plugins.md` says what is checked. Fixtures for tests of one's
own are in `scorekit.host.testing.fixtures`, which pytest finds by itself.
"""

from scorekit.host.testing.checks import CHECKS, QUICK, RUNS
from scorekit.host.testing.suite import Result, check, conformance

__all__ = ["CHECKS", "QUICK", "RUNS", "Result", "check", "conformance"]
