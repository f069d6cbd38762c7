"""It imports a package that is not installed."""

import a_library_that_is_absent

print(a_library_that_is_absent)
