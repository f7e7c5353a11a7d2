"""What a section is, told from its text alone: a small classifier over the base encoder."""
