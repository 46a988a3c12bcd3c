"""Features of many tracks: computed in parallel, kept in a store that is mapped into memory, drawn as pictures."""
