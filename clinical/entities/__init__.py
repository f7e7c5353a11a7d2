"""Problems, signs, medications, tests, procedures, anatomy and their attributes, by a trained tagger."""
