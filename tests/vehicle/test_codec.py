"""Our prepared codec against cantools, over whole signal ranges."""

from __future__ import annotations

import cantools
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carvoice.errors import CarError
from carvoice.resources import data_path
from carvoice.vehicle.codec import MessageCodec

DATABASE = cantools.database.load_file(str(data_path("cars", "demo", "demo.dbc")))
MIXED = cantools.database.load_string(
    """VERSION ""
BU_: A B
BO_ 100 Mixed: 8 A
 SG_ Big16 : 7|16@0- (0.1,-5) [0|0] "" B
 SG_ Big12 : 19|12@0+ (1,0) [0|0] "" B
 SG_ Little5 : 32|5@1- (2,3) [0|0] "" B
 SG_ Little16 : 40|16@1- (1,0) [0|0] "" B
BO_ 2147484000 Float: 8 A
 SG_ F32 : 7|32@0- (1,0) [0|0] "" B
 SG_ G32 : 32|32@1- (0.5,1) [0|0] "" B
SIG_VALTYPE_ 2147484000 F32 : 1;
SIG_VALTYPE_ 2147484000 G32 : 1;
"""
)
MESSAGES = [*DATABASE.messages, *MIXED.messages]


def multiplex_ids(message) -> list[int | None]:
    ids = {i for s in message.signals for i in s.multiplexer_ids or ()}
    return sorted(ids) or [None]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: m.name)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_payload_is_the_one_cantools_makes(message, data):
    codec = MessageCodec(message)
    multiplex = data.draw(st.sampled_from(multiplex_ids(message)))
    raw = {}
    for signal in message.signals:
        if signal.is_multiplexer:
            raw[signal.name] = multiplex
        elif not signal.multiplexer_ids or multiplex in signal.multiplexer_ids:
            if signal.is_float:
                raw[signal.name] = data.draw(st.floats(width=32, allow_nan=False, allow_infinity=False))
            else:
                low = -(1 << (signal.length - 1)) if signal.is_signed else 0
                raw[signal.name] = data.draw(st.integers(low, low + (1 << signal.length) - 1))
    payload = message.encode(raw, scaling=False, strict=False)
    bits = codec.decode_bits(payload)
    assert codec.encode_bits(bits) == payload
    expected = message.decode(payload, decode_choices=True)
    decoded = codec.decode(payload)
    assert set(decoded) == set(expected)
    for name, value in expected.items():
        if isinstance(value, (int, float)):
            assert decoded[name] == pytest.approx(value, abs=1e-6, rel=1e-9)
        else:
            assert decoded[name] == str(value)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: m.name)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_physical_values_round_trip_within_half_a_step(message, data):
    codec = MessageCodec(message)
    for name, signal in codec.signals.items():
        if signal.is_float or signal in codec.multiplexers:
            continue
        top = (1 << signal.length) - 1
        low = signal.minimum if signal.minimum is not None else signal.offset
        high = signal.maximum if signal.maximum is not None else signal.offset + (top // 2) * signal.scale
        value = data.draw(st.floats(low, high))
        back = codec.decode(codec.encode({name: value}))[name]
        if not isinstance(back, str):
            assert abs(back - value) <= abs(signal.scale) / 2 + 1e-6


def test_all_other_signals_of_a_request_ask_for_nothing(car):
    for node in car.nodes.values():
        if node.write is None:
            continue
        codec = node.write.message
        value = {"boolean": True, "string": node.allowed[:1]}.get(node.datatype, node.low)
        bits = node.to_bits(value[0] if isinstance(value, tuple) else value)
        found = codec.decode_bits(codec.encode_bits({node.write.signal.name: bits}))
        assert found.pop(node.write.signal.name) == bits
        for name, other in found.items():
            assert codec.signals[name] in codec.multiplexers or other == codec.signals[name].idle_raw


def test_a_request_is_never_the_same_as_no_request(car):
    for node in car.nodes.values():
        if node.write is None:
            continue
        values = node.allowed or ((False, True) if node.datatype == "boolean" else (node.low, node.high))
        for value in values:
            assert node.to_bits(value) != node.write.signal.idle_raw, (node.path, value)


def test_errors(car):
    codec = car.messages["HU_ClimateReq"]
    with pytest.raises(CarError, match="no signal 'Nope'"):
        codec.encode({"Nope": 1})
    with pytest.raises(CarError, match=r"99 is outside the range 16..28 degC of signal HU_TempSetDrvReq"):
        codec.encode({"HU_TempSetDrvReq": 99})
    with pytest.raises(CarError, match="no value named 'HOT'; it has SNA"):
        codec.encode({"HU_TempSetDrvReq": "HOT"})
    with pytest.raises(CarError, match="HU_ClimateReq has 8 bytes, the frame 3"):
        codec.decode(b"123")
    mirrors = car.messages["HU_MirrorReq"]
    with pytest.raises(CarError, match="cannot carry"):
        mirrors.encode({"HU_MirrorTiltDrvReq": 1, "HU_MirrorTiltPasReq": 1})
    with pytest.raises(CarError, match=r"no multiplexer value .* 9"):
        mirrors.encode({"HU_MirrorReq_MirrorSide": 9})
    unlimited = MessageCodec(MIXED.messages[0])
    with pytest.raises(CarError, match="does not fit the 12 bits"):
        unlimited.encode({"Big12": 5000})


NESTED = cantools.database.load_string(
    """VERSION ""
BU_: A B
BO_ 200 Nested: 8 A
 SG_ Page M : 0|4@1+ (1,0) [0|0] "" B
 SG_ Always : 56|8@1+ (1,0) [0|0] "" B
 SG_ Flat m0 : 8|8@1+ (1,0) [0|0] "" B
 SG_ Sub m1M : 8|8@1+ (1,0) [0|0] "" B
 SG_ Deep2 m2 : 16|16@1- (0.5,0) [0|0] "" B
 SG_ Deep3 m3 : 23|16@0+ (1,0) [0|0] "" B
SG_MUL_VAL_ 200 Flat Page 0-0;
SG_MUL_VAL_ 200 Sub Page 1-1;
SG_MUL_VAL_ 200 Deep2 Sub 2-2;
SG_MUL_VAL_ 200 Deep3 Sub 3-5;
"""
).messages[0]


@pytest.mark.parametrize(
    ("page", "sub", "carried"),
    [(0, None, {"Flat"}), (1, 2, {"Sub", "Deep2"}), (1, 3, {"Sub", "Deep3"}), (1, 5, {"Sub", "Deep3"})],
)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_nested_multiplexers_are_those_of_cantools(page, sub, carried, data):
    codec = MessageCodec(NESTED)
    raw = {"Page": page, "Always": data.draw(st.integers(0, 255))}
    for name in carried:
        low = -(1 << 15) if name == "Deep2" else 0
        limit = 255 if name == "Flat" else low + 65535
        raw[name] = sub if name == "Sub" else data.draw(st.integers(low, limit))
    payload = NESTED.encode(raw, scaling=False, strict=False)
    bits = codec.decode_bits(payload)
    assert set(bits) == {"Page", "Always"} | carried
    assert codec.encode_bits(bits) == payload
    assert codec.decode(payload) == NESTED.decode(payload)


def test_a_nested_signal_sets_the_multiplexers_above_it():
    codec = MessageCodec(NESTED)
    assert codec.decode_bits(codec.encode_bits({"Deep3": 7})) == {
        "Page": 1, "Always": 0, "Sub": 3, "Deep3": 7
    }  # fmt: skip
    assert [dict(s) for s in codec.selections] == [
        {"Page": 0},
        *({"Page": 1, "Sub": i} for i in (2, 3, 4, 5)),
    ]
    for apart in ({"Flat": 1, "Deep2": 1}, {"Deep2": 1, "Deep3": 1}):
        with pytest.raises(CarError, match="cannot carry"):
            codec.encode_bits(apart)


def test_another_value_than_the_start_value_can_be_idle():
    codec = MessageCodec(DATABASE.get_message_by_name("HU_ClimateReq"))
    signal = codec.signal("HU_TempSetPasReq")
    codec.set_idle(signal, 0x7F)
    assert codec.decode_bits(codec.encode({"HU_TempSetDrvReq": 20}))["HU_TempSetPasReq"] == 0x7F
    with pytest.raises(CarError, match="idle 256 does not fit the 8 bits of signal HU_TempSetPasReq"):
        codec.set_idle(signal, 256)
