"""Numbers and times as people say them."""

from __future__ import annotations

import random

ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
).split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()


def spoken(number: float, rng: random.Random) -> str:
    """Return a number from -9999 to 9999 in words, one decimal kept."""
    if number < 0:
        return f"minus {spoken(-number, rng)}"
    whole, tenth = int(number), round((number - int(number)) * 10)
    if tenth:
        return f"{spoken(whole, rng)} point {ONES[tenth]}"
    if whole < 20:
        return ONES[whole]
    if whole < 100:
        return TENS[whole // 10 - 2] + (f" {ONES[whole % 10]}" if whole % 10 else "")
    if whole < 1000:
        joint = rng.choice((" ", " and "))
        return f"{ONES[whole // 100]} hundred" + (joint + spoken(whole % 100, rng) if whole % 100 else "")
    return f"{spoken(whole // 1000, rng)} thousand" + (
        f" {spoken(whole % 1000, rng)}" if whole % 1000 else ""
    )


def digits(count: int, rng: random.Random) -> str:
    """Return `count` random digits, one by one."""
    return " ".join(rng.choice([*ONES[:10], "oh"]) for _ in range(count))


def clock(rng: random.Random) -> str:
    """Return a time of day."""
    hour, minute = rng.randint(1, 12), rng.choice([0, 0, 5, 10, 15, 20, 30, 45, rng.randint(1, 59)])
    text = ONES[hour]
    if minute == 0:
        text += rng.choice((" o'clock", "", " sharp"))
    else:
        text += (" oh " if minute < 10 else " ") + spoken(minute, rng)
    return text + rng.choice(("", " a m", " p m", " in the morning", " in the evening", " tonight"))
