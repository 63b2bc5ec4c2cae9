"""Trackers for tests: what they were told, and one that fails."""

from __future__ import annotations

from genkit.registry.discovery import Plugin
from genkit.registry.specs import TrackerSpec


def plugin():
    """The plugin that offers them, and one whose library is not installed."""
    specs = [
        TrackerSpec("notes", "toy_trackers:Notes"),
        TrackerSpec("broken", "toy_trackers:Broken"),
        TrackerSpec("distant", "toy_trackers:Notes", package="no_such_library", install="genkit-toys[distant]"),
    ]
    return Plugin("toy-trackers", "toy-trackers", "0", {TrackerSpec: specs})


class Notes:
    """Writes each event and record as a line into its folder."""

    def __init__(self, run, folder):
        self.run, self.file = run, folder / "notes"

    def write(self, line):
        with self.file.open("a") as file:
            file.write(f"{line}\n")

    def on_event(self, event):
        self.write(f"{event['kind']} {event['images']}")

    def on_record(self, record):
        self.write(f"record {record.training.images}")

    def close(self):
        self.write("close")


class Broken(Notes):
    """Fails at the first event."""

    def on_event(self, event):
        raise SystemExit(f"no {event['kind']} here")
