"""It imports a name that its library does not have."""

from math import no_such_function

print(no_such_function)
