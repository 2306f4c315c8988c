"""The filter as a program: what it reports on either machine, and whether its numbers are those of the headers."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from detent.pipeline.trace.calls import CALLS
from detent.pipeline.trace.seccomp import program
from programs import ROOT

ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
HEADERS = {
    "x86_64": ("usr/include/x86_64-linux-gnu/asm/unistd_64.h", "usr/include/asm/unistd_64.h"),
    "aarch64": ("usr/include/asm-generic/unistd.h",),
}
NOTIFY, ALLOW, NO_SUCH_CALL = 0x7FC00000, 0x7FFF0000, 0x00050026


def decide(machine: str, call: int, *arguments: int, arch: int | None = None) -> int:
    """Run the filter as the kernel does and return its answer."""
    data = {0: call, 4: ARCH[machine] if arch is None else arch}
    data |= {
        16 + 8 * index: value & 0xFFFFFFFF for index, value in enumerate((*arguments, *[0] * (6 - len(arguments))))
    }
    lines, at, value = program(machine), 0, 0
    while True:
        code, yes, no, operand = lines[at]
        at += 1
        if code == 0x06:
            return operand
        if code == 0x20:
            value = data[operand]
        else:
            at += yes if (value == operand if code == 0x15 else value & operand) else no


@pytest.mark.parametrize("machine", ARCH)
def test_numbers_are_those_of_the_headers(machine: str) -> None:
    header = next(
        (path for name in HEADERS[machine] for root in ("/", ROOT) if (path := Path(root, name)).exists()), None
    )
    if header is None:
        pytest.skip(f"the kernel's headers for {machine} are not installed")
    found = re.findall(r"^#define __NR(?:3264)?_(\w+)\s+(\d+)", header.read_text(), re.MULTILINE)
    numbers = {name: int(number) for name, number in found}
    numbers.setdefault("newfstatat", numbers.get("fstatat", -1))
    too_new = {"fchmodat2"} - numbers.keys()  # for these headers
    assert {call.name: call.number(machine) for call in CALLS if call.name not in too_new} == {
        call.name: numbers.get(call.name, -1) for call in CALLS if call.name not in too_new
    }


@pytest.mark.parametrize("machine", ARCH)
def test_every_call_of_the_table_is_reported_and_others_are_not(machine: str) -> None:
    numbers = {call.number(machine) for call in CALLS} - {-1}
    for number in range(600):
        expected = NOTIFY if number in numbers else NO_SUCH_CALL if number == 425 else ALLOW
        assert decide(machine, number) == expected, number


@pytest.mark.parametrize("machine", ARCH)
def test_opens_without_content_and_questions_about_descriptors_are_not_reported(machine: str) -> None:
    call = {call.name: call.number(machine) for call in CALLS}
    assert decide(machine, call["openat"], -100, 1, os.O_RDONLY) == NOTIFY
    assert decide(machine, call["openat"], -100, 1, 0o10000000) == ALLOW  # O_PATH
    assert decide(machine, call["openat"], -100, 1, os.O_RDWR | 0o20000000) == ALLOW  # O_TMPFILE
    assert decide(machine, call["newfstatat"], 3, 1, 1, 0x100) == NOTIFY
    assert decide(machine, call["newfstatat"], 3, 1, 1, 0x1000) == ALLOW
    assert decide(machine, call["statx"], 3, 1, 0x1000) == ALLOW


def test_programs_for_another_machine_pass() -> None:
    assert decide("x86_64", 5, arch=0x40000003) == ALLOW  # `open` of 32-bit x86
