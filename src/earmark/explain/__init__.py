"""See and hear what a network learned: why a tag, what a layer hears, what a channel sounds like."""
