"""It imports what a later scorekit brings, and its package says so."""

from scorekit.host.plugin import SomethingOfTheFuture

print(SomethingOfTheFuture)
