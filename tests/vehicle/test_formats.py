"""The same small bus as DBC, KCD, SYM and ARXML: drafted, loaded and driven alike."""

from __future__ import annotations

import dataclasses

import cantools
import pytest
from conftest import FakeClock, Rig, setting

from carvoice.records import Evidence
from carvoice.vehicle.bus import Bus
from carvoice.vehicle.car import Car
from carvoice.vehicle.policy import Policy
from carvoice.vehicle.scaffold import scaffold_car
from carvoice.vehicle.scaffold_policy import scaffold_policy

LOCK = "Vehicle.Cabin.Door.Row1.DriverSide.IsLocked"
DBC = """VERSION ""
BU_: ECU Peripherals
BO_ 528 BodyReq: 8 ECU
 SG_ DrvDrLckReq : 4|2@1+ (1,0) [0|2] "" Peripherals
BO_ 784 BodySts: 8 Peripherals
 SG_ DrvDrLckSts : 2|2@1+ (1,0) [0|1] "" ECU
BO_ 160 VehMotion: 8 Peripherals
 SG_ VehSpd : 8|16@1+ (0.01,0) [0|300] "km/h" ECU
BA_DEF_ BO_ "GenMsgCycleTime" INT 0 65535;
BA_DEF_DEF_ "GenMsgCycleTime" 0;
BA_ "GenMsgCycleTime" BO_ 784 100;
BA_ "GenMsgCycleTime" BO_ 160 20;
VAL_ 528 DrvDrLckReq 0 "NoRequest" 1 "Lock" 2 "Unlock" ;
VAL_ 784 DrvDrLckSts 0 "Unlocked" 1 "Locked" ;
"""


def arxml(database: cantools.database.Database) -> str:
    """A system description (AUTOSAR 4) with as little in it as it takes to say what the database says."""
    elements, frames, pdu_groups = [], [], {"OUT": [], "IN": []}
    for message in database.messages:
        mappings = []
        for signal in message.signals:
            scales = "".join(
                f"<COMPU-SCALE><LOWER-LIMIT>{raw}</LOWER-LIMIT><UPPER-LIMIT>{raw}</UPPER-LIMIT>"
                f"<COMPU-CONST><VT>{name}</VT></COMPU-CONST></COMPU-SCALE>"
                for raw, name in (signal.choices or {}).items()
            )
            highest = round(signal.maximum / signal.scale)
            linear = (
                f"<COMPU-SCALE><LOWER-LIMIT>0</LOWER-LIMIT><UPPER-LIMIT>{highest}</UPPER-LIMIT>"
                "<COMPU-RATIONAL-COEFFS>"
                f"<COMPU-NUMERATOR><V>{signal.offset}</V><V>{signal.scale}</V></COMPU-NUMERATOR>"
                "<COMPU-DENOMINATOR><V>1</V></COMPU-DENOMINATOR></COMPU-RATIONAL-COEFFS></COMPU-SCALE>"
            )
            elements.append(
                f"<COMPU-METHOD><SHORT-NAME>{signal.name}_Method</SHORT-NAME>"
                f"<CATEGORY>{'TEXTTABLE' if scales else 'LINEAR'}</CATEGORY><COMPU-INTERNAL-TO-PHYS>"
                f"<COMPU-SCALES>{scales or linear}</COMPU-SCALES></COMPU-INTERNAL-TO-PHYS></COMPU-METHOD>"
                f"<SYSTEM-SIGNAL><SHORT-NAME>{signal.name}</SHORT-NAME><PHYSICAL-PROPS>"
                "<SW-DATA-DEF-PROPS-VARIANTS><SW-DATA-DEF-PROPS-CONDITIONAL>"
                f'<COMPU-METHOD-REF DEST="COMPU-METHOD">/P/{signal.name}_Method</COMPU-METHOD-REF>'
                "</SW-DATA-DEF-PROPS-CONDITIONAL></SW-DATA-DEF-PROPS-VARIANTS></PHYSICAL-PROPS></SYSTEM-SIGNAL>"
                f"<I-SIGNAL><SHORT-NAME>{signal.name}_I</SHORT-NAME><LENGTH>{signal.length}</LENGTH>"
                f'<SYSTEM-SIGNAL-REF DEST="SYSTEM-SIGNAL">/P/{signal.name}</SYSTEM-SIGNAL-REF></I-SIGNAL>'
            )
            mappings.append(
                f"<I-SIGNAL-TO-I-PDU-MAPPING><SHORT-NAME>{signal.name}_M</SHORT-NAME>"
                f'<I-SIGNAL-REF DEST="I-SIGNAL">/P/{signal.name}_I</I-SIGNAL-REF>'
                "<PACKING-BYTE-ORDER>MOST-SIGNIFICANT-BYTE-LAST</PACKING-BYTE-ORDER>"
                f"<START-POSITION>{signal.start}</START-POSITION></I-SIGNAL-TO-I-PDU-MAPPING>"
            )
        name = message.name
        cycle = (
            "<I-PDU-TIMING-SPECIFICATIONS><I-PDU-TIMING><TRANSMISSION-MODE-DECLARATION>"
            "<TRANSMISSION-MODE-TRUE-TIMING><CYCLIC-TIMING><TIME-PERIOD>"
            f"<VALUE>{(message.cycle_time or 0) / 1000}</VALUE></TIME-PERIOD></CYCLIC-TIMING>"
            "</TRANSMISSION-MODE-TRUE-TIMING></TRANSMISSION-MODE-DECLARATION></I-PDU-TIMING>"
            "</I-PDU-TIMING-SPECIFICATIONS>"
        )
        elements.append(
            f"<I-SIGNAL-I-PDU><SHORT-NAME>{name}_Pdu</SHORT-NAME><LENGTH>{message.length}</LENGTH>"
            f"{cycle if message.cycle_time else ''}"
            f"<I-SIGNAL-TO-PDU-MAPPINGS>{''.join(mappings)}</I-SIGNAL-TO-PDU-MAPPINGS>"
            "<UNUSED-BIT-PATTERN>0</UNUSED-BIT-PATTERN></I-SIGNAL-I-PDU>"
            f"<CAN-FRAME><SHORT-NAME>{name}</SHORT-NAME><FRAME-LENGTH>{message.length}</FRAME-LENGTH>"
            f"<PDU-TO-FRAME-MAPPINGS><PDU-TO-FRAME-MAPPING><SHORT-NAME>{name}_F</SHORT-NAME>"
            f'<PDU-REF DEST="I-SIGNAL-I-PDU">/P/{name}_Pdu</PDU-REF><START-POSITION>0</START-POSITION>'
            "</PDU-TO-FRAME-MAPPING></PDU-TO-FRAME-MAPPINGS></CAN-FRAME>"
        )
        frames.append(
            f"<CAN-FRAME-TRIGGERING><SHORT-NAME>{name}_T</SHORT-NAME>"
            f'<FRAME-REF DEST="CAN-FRAME">/P/{name}</FRAME-REF>'
            "<CAN-ADDRESSING-MODE>STANDARD</CAN-ADDRESSING-MODE>"
            f"<IDENTIFIER>{message.frame_id}</IDENTIFIER></CAN-FRAME-TRIGGERING>"
        )
        pdu_groups["OUT" if message.senders == ["ECU"] else "IN"].append(
            f'<I-SIGNAL-I-PDU-REF-CONDITIONAL><I-SIGNAL-I-PDU-REF DEST="I-SIGNAL-I-PDU">/P/{name}_Pdu'
            "</I-SIGNAL-I-PDU-REF></I-SIGNAL-I-PDU-REF-CONDITIONAL>"
        )
    for direction, pdus in pdu_groups.items():
        elements.append(
            f"<I-SIGNAL-I-PDU-GROUP><SHORT-NAME>{direction}</SHORT-NAME>"
            f"<COMMUNICATION-DIRECTION>{direction}</COMMUNICATION-DIRECTION>"
            f"<I-SIGNAL-I-PDUS>{''.join(pdus)}</I-SIGNAL-I-PDUS></I-SIGNAL-I-PDU-GROUP>"
        )
    refs = "".join(
        f'<ASSOCIATED-COM-I-PDU-GROUP-REF DEST="I-SIGNAL-I-PDU-GROUP">/P/{d}</ASSOCIATED-COM-I-PDU-GROUP-REF>'
        for d in pdu_groups
    )
    elements.append(
        "<ECU-INSTANCE><SHORT-NAME>ECU</SHORT-NAME>"
        f"<ASSOCIATED-COM-I-PDU-GROUP-REFS>{refs}</ASSOCIATED-COM-I-PDU-GROUP-REFS></ECU-INSTANCE>"
        "<CAN-CLUSTER><SHORT-NAME>Body</SHORT-NAME><CAN-CLUSTER-VARIANTS><CAN-CLUSTER-CONDITIONAL>"
        "<BAUDRATE>500000</BAUDRATE><PHYSICAL-CHANNELS><CAN-PHYSICAL-CHANNEL><SHORT-NAME>Wire</SHORT-NAME>"
        f"<FRAME-TRIGGERINGS>{''.join(frames)}</FRAME-TRIGGERINGS></CAN-PHYSICAL-CHANNEL></PHYSICAL-CHANNELS>"
        "</CAN-CLUSTER-CONDITIONAL></CAN-CLUSTER-VARIANTS></CAN-CLUSTER>"
    )
    return (
        '<?xml version="1.0"?><AUTOSAR xmlns="http://autosar.org/schema/r4.0"><AR-PACKAGES><AR-PACKAGE>'
        f"<SHORT-NAME>P</SHORT-NAME><ELEMENTS>{''.join(elements)}</ELEMENTS>"
        "</AR-PACKAGE></AR-PACKAGES></AUTOSAR>"
    )


@pytest.mark.parametrize("suffix", ["dbc", "kcd", "sym", "arxml"])
def test_a_car_of_each_format_is_drafted_and_carries_out_an_order(tmp_path, car, policy, suffix):
    database = cantools.database.load_string(DBC, "dbc")
    written = {
        "dbc": lambda: DBC,
        "kcd": database.as_kcd_string,
        "sym": database.as_sym_string,
        "arxml": lambda: arxml(database),
    }
    (tmp_path / f"body.{suffix}").write_text(written[suffix]())
    (tmp_path / "body.toml").write_text(scaffold_car(tmp_path / f"body.{suffix}", car))
    mine = Car.load(tmp_path / "body.toml")
    assert mine.node == "ECU"
    assert mine.messages["BodySts"].cycle_time_s == 0.1
    (tmp_path / "rules.toml").write_text(scaffold_policy(mine, policy))
    drafted = Policy.load(mine.rules_path, mine)
    allowing = dataclasses.replace(drafted, allow=policy.allow)  # what an integrator takes in

    ours, theirs = Bus.open("virtual", f"formats-{suffix}"), Bus.open("virtual", f"formats-{suffix}")
    rig = Rig(mine, allowing, FakeClock(), ours, theirs)
    result = rig.actuator.perform(setting(LOCK, True))
    assert (result.evidence, result.value) == (Evidence.ACTUATED, True)
    request, status = result.frames
    assert (request.arbitration_id, request.data.hex()) == (0x210, "10" + 14 * "0")
    assert (status.arbitration_id, status.data.hex()) == (0x310, "04" + 14 * "0")
    rig.set("Vehicle.Speed", 87.5)
    assert rig.state.get("Vehicle.Speed").value == 87.5
    assert rig.actuator.perform(setting(LOCK, False)).detail.startswith("policy unlock-speed")
    ours.close()
    theirs.close()
