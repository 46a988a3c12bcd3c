"""The command line: parse, call the library, print. One module per group of verbs; no logic."""
