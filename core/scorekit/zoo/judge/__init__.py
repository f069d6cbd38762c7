"""The judge: an independent classifier of kind and colour, for measuring what the other models generate.

    judge = Judge.load()
    kind, color = judge(pictures)            # log-probabilities (N, 16) and (N, 10)
    judge.decide(views)                      # ("mushroom", "red"), from several views of one result

`python -m scorekit.zoo.judge --out DIR` trains it anew.
"""

from scorekit.zoo.judge.network import SIDE, Judge

__all__ = ["SIDE", "Judge"]
