"""A stand-in for the talk button that notes what is done to it."""

import queue


class Button:
    def __init__(self):
        self.calls = queue.Queue()

    def press(self):
        self.calls.put("press")

    def release(self):
        self.calls.put("release")

    def cancel(self):
        self.calls.put("cancel")

    def taken(self):
        return [self.calls.get_nowait() for _ in range(self.calls.qsize())]
