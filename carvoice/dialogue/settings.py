"""How patient and how talkative the conversation is."""

from __future__ import annotations

from dataclasses import dataclass

# Single words and sounds people make while they listen; they do not end what the assistant says.
BACK_CHANNELS = frozenset(
    (
        "uh-huh",
        "uh huh",
        "mhm",
        "mm-hmm",
        "mm hmm",
        "hm",
        "hmm",
        "mm",
        "ah",
        "oh",
        "uh",
        "um",
        "huh",
        "aha",
        "wow",
    )
)


@dataclass(frozen=True, slots=True)
class DialogueSettings:
    """Times are seconds on the dialogue's clock.

    Attributes:
        open_microphone: act on speech without wake phrase or button.
        listen_s: how long to wait for speech after activation.
        follow_up_s: how long a further command needs no wake phrase after a reply; 0 for never.
        confirm_s: how long to wait for yes or no.
        speech_s: longest stretch of speech without a final result before listening is given up.
        duck_s: a reply stays softened so long for a sign of speech that may be nothing.
        false_ducks: after so many a reply is softened for no more signs.
        false_interruption_s: silence after a noise that interrupted a reply before it goes on.
        longest_hold_s: a reply is held no longer than this for speech of which nothing comes.
        words_after_false: a reply held for nothing before is held only for so many words.
        false_interruptions: after so many only an understood sentence stops a reply.
        forgive_s: all this is forgotten after so long, doubled by each further one, forgotten ones too, or
            when somebody really interrupts: rain outlasts a reply.
        sure_word: a single word spoken over a reply is a command from this probability on: a cough sounds
            more like a word than like a sentence.
        cancel_window_s: between announcing and doing what is hard to undo; 0 does it at once.
        hard_to_undo: intents with a cancel window.
        thinking_s: wait for an answer before saying "one moment"; 0 for never.
        answer_s: longest wait for a whole answer.
        ask_below: readings less probable than this are asked back ("Did you mean ...?") when the talker
            activated us, and ignored otherwise.
        guess_from: a sentence of so probable a reading is asked back although it was too doubtful to be a
            command ("Did you mean ...?"), when the talker activated us.
        ask_within: a second reading this close to the first in probability is offered as a choice.
        reject_aloud: answer what was not understood after an activation; open-microphone talk and chatter
            in the follow-up window are always met with silence.
        back_channels: words that do not interrupt a reply.
        exchanges: earlier questions and answers told to a language model.
        exchange_s: each is told for so long: later questions are about something else, their prompt is
            shorter, and their answers stand on nothing said before, so that they may be kept.
        undo_steps: commands that can be taken back.
    """

    open_microphone: bool = False
    listen_s: float = 7.0
    follow_up_s: float = 5.0
    confirm_s: float = 8.0
    speech_s: float = 15.0
    duck_s: float = 0.2
    false_ducks: int = 4
    false_interruption_s: float = 1.2
    longest_hold_s: float = 4.0
    words_after_false: int = 3
    false_interruptions: int = 2
    forgive_s: float = 60.0
    sure_word: float = 0.85
    cancel_window_s: float = 2.0
    hard_to_undo: frozenset[str] = frozenset(
        ("PhoneCall", "PhoneRedial", "PhoneHangUp", "TripReset", "SeatMemoryStore")
    )
    thinking_s: float = 2.0
    answer_s: float = 30.0
    ask_below: float = 0.6
    guess_from: float = 0.4
    ask_within: float = 0.2
    reject_aloud: bool = True
    back_channels: frozenset[str] = BACK_CHANNELS
    exchanges: int = 4
    exchange_s: float = 120.0
    undo_steps: int = 8
