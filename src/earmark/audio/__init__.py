"""Audio: files, chunks, time-frequency front ends."""
