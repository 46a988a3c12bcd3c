"""Your music library: a catalogue of what was heard, and what can be asked of it."""
