"""Space and Esc in a terminal."""

import os
import pty

from talk_button import Button

from carvoice.cli.keys import talk_keys


def test_space_talks_and_escape_cancels():
    far, near = pty.openpty()
    button = Button()
    with talk_keys(button, near) as has_keys:
        assert has_keys
        for keys, expected in ((b" ", ["press", "release"]), (b"x\x1b[A", []), (b"\x1b", ["cancel"])):
            os.write(far, keys)
            assert [button.calls.get(timeout=20) for _ in expected] == expected
            if not expected:  # read before the next is written, else both come in one piece
                os.write(far, b" ")
                assert [button.calls.get(timeout=20) for _ in range(2)] == ["press", "release"]
    os.close(far)
    os.close(near)


def test_without_a_terminal_there_are_no_keys():
    reading, writing = os.pipe()
    with talk_keys(Button(), reading) as has_keys:
        assert not has_keys
    os.close(reading)
    os.close(writing)
