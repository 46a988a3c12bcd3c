"""Pictures of what a tagger hears."""
