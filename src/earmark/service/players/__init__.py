"""What players ask: OpenSubsonic with its sonic similarity, and the paths that AudioMuse's clients call."""
