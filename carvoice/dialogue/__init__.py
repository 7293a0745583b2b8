"""The turn: states, barge-in, confirmation, context, replies.

Putting it together::

    dialogue = Dialogue(
        understander=understander, planner=planner, gate=gate, actuator=actuator, state=car_state,
        replies=Replies.load(grammars / "en" / "replies.yaml"), acts=load_acts(grammars / "actions.yaml"),
        adjustments=load_adjustments(grammars / "actions.yaml"),
        answerer=answerer_or_none, speaker=player_or_none, on_event=show,
    )
    player.on_event = playback_to(dialogue)

and driving it, in real time::

    with DialogueRunner(dialogue):
        dialogue.post(Activated("push"))
        dialogue.post(Heard(partial_hypothesis))
        dialogue.post(Heard(final_hypothesis, zone, spans, trace_id))

or from a loop that has a clock of its own (a WAV file, a test, ``carvoice say``): build it with
``clock=`` that clock, post inputs and call :meth:`Dialogue.run_pending` after each block.
"""

from collections.abc import Callable

from carvoice.dialogue.acts import load_acts, load_adjustments
from carvoice.dialogue.events import (
    Acted,
    Activated,
    Cancelled,
    Decided,
    Event,
    Heard,
    Input,
    Interrupted,
    Partial,
    PlaybackBegan,
    PlaybackEnded,
    Replied,
    SpeechBegan,
    SpeechEnded,
    State,
    StateChanged,
    TurnBegan,
    TurnEnded,
    Understood,
)
from carvoice.dialogue.machine import Dialogue
from carvoice.dialogue.replies import Replies
from carvoice.dialogue.runner import DialogueRunner
from carvoice.dialogue.settings import DialogueSettings
from carvoice.tts.utterance import PlaybackEvent, PlaybackState


def playback_to(dialogue: Dialogue) -> Callable[[PlaybackEvent], None]:
    """A :class:`carvoice.tts.Player`'s ``on_event`` that tells the dialogue."""

    def tell(event: PlaybackEvent) -> None:
        if event.state is PlaybackState.PLAYING:
            dialogue.post(PlaybackBegan(event.utterance_id))
        else:
            dialogue.post(PlaybackEnded(event.utterance_id, event.detail))

    return tell


__all__ = [
    "Acted",
    "Activated",
    "Cancelled",
    "Decided",
    "Dialogue",
    "DialogueRunner",
    "DialogueSettings",
    "Event",
    "Heard",
    "Input",
    "Interrupted",
    "Partial",
    "PlaybackBegan",
    "PlaybackEnded",
    "Replied",
    "Replies",
    "SpeechBegan",
    "SpeechEnded",
    "State",
    "StateChanged",
    "TurnBegan",
    "TurnEnded",
    "Understood",
    "load_acts",
    "load_adjustments",
    "playback_to",
]
