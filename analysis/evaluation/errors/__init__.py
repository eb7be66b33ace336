"""Where the models are wrong: together, by diagnostic statement, and on which records."""
