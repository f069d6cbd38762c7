"""A standard MIDI file with one note after the other, each with a program of its own."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

PERCUSSION_CHANNEL = 9  # channel 10 of General MIDI, counted from 0


@dataclass(frozen=True)
class Note:
    """program  of General MIDI from 0, or None for the percussion channel
    key       MIDI key; 69 is A4, 440 Hz
    velocity  1 to 127
    seconds   from note-on to note-off
    """

    program: int | None
    key: int
    velocity: int
    seconds: float

    @property
    def hertz(self) -> float:
        """Fundamental frequency in equal temperament."""
        return float(440 * 2 ** ((self.key - 69) / 12))


def midi_file(notes: Sequence[Note], spacing: float) -> bytes:
    """A file of format 0 in which note i sounds at i * spacing seconds; one tick is one millisecond.

    Before each note all sound is switched off, so that no note rings into the next.
    """
    events: list[tuple[int, bytes]] = [(0, b"\xff\x51\x03" + (1_000_000).to_bytes(3, "big"))]  # one quarter is 1 s
    for i, note in enumerate(notes):
        start, channel = round(1000 * i * spacing), PERCUSSION_CHANNEL if note.program is None else 0
        events += [(start, bytes((0xB0 | other, 120, 0))) for other in (0, PERCUSSION_CHANNEL)]
        if note.program is not None:
            events.append((start, bytes((0xC0, note.program))))
        events.append((start, bytes((0x90 | channel, note.key, note.velocity))))
        events.append((start + round(1000 * note.seconds), bytes((0x80 | channel, note.key, 0))))
    track, previous = b"", 0
    for tick, event in sorted(events, key=lambda item: item[0]):  # a stable sort: events of one tick keep their order
        track += _delta(tick - previous) + event
        previous = tick
    track += _delta(round(1000 * spacing)) + b"\xff\x2f\x00"
    return b"MThd" + struct.pack(">IHHH", 6, 0, 1, 1000) + b"MTrk" + struct.pack(">I", len(track)) + track


def _delta(ticks: int) -> bytes:
    """A variable-length number: seven bits a byte, the highest bit set in all but the last."""
    out = [ticks & 0x7F]
    while ticks := ticks >> 7:
        out.append(ticks & 0x7F | 0x80)
    return bytes(reversed(out))
