"""carvoice: an in-vehicle voice assistant that runs wholly on the head unit.

A spoken command walks through the house once::

    mic(s) --> audio --> asr --> nlu --> dialogue --> vehicle --> CAN
    speaker <-- tts <------------------------+  +--> llm (open-ended only)
"""

__version__ = "0.1.0"
