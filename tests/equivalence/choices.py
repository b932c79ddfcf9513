"""Where a generator's decisions come from: a seed, or a list of earlier ones.

Zero is the simplest decision everywhere, and a list that has ended goes on
with zeros; so a shorter or smaller list makes a simpler statement.
"""
import random


class Choices:
    def __init__(self, seed=None, replay=None):
        self.random = random.Random(seed) if replay is None else None
        self.replay = list(replay or ())
        self.made = []

    def below(self, n):
        if self.random:
            value = self.random.randrange(n) if n > 1 else 0
        else:
            value = min(self.replay[len(self.made)], n - 1) if len(self.made) < len(self.replay) else 0
        self.made.append(value)
        return value

    def pick(self, items):
        return items[self.below(len(items))]

    def chance(self, percent):
        return self.below(100) >= 100 - percent

    def weighted(self, *pairs):
        """The first of the pairs is the simplest."""
        at = self.below(sum(weight for weight, _ in pairs))
        for weight, item in pairs:
            if at < weight:
                return item
            at -= weight
        raise AssertionError


def smaller(fails, replay, budget):
    """The shortest, smallest list of decisions for which fails(list) still holds."""
    best = list(replay)

    def try_one(candidate):
        nonlocal best, budget
        if budget <= 0 or candidate == best:
            return False
        budget -= 1
        if fails(candidate):
            best = candidate
            return True
        return False

    improved = True
    while improved and budget > 0:
        improved = False
        size = max(len(best) // 2, 1)
        while size:
            at = 0
            while at < len(best):
                if try_one(best[:at] + best[at + size:]):
                    improved = True
                else:
                    at += size
            size //= 2
        for at in range(len(best)):
            if at < len(best) and best[at] and try_one(best[:at] + [0] + best[at + 1:]):
                improved = True
    return best
