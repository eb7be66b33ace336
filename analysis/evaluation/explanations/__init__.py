"""Pictures of what moved single predictions: illustrative, never evidence."""
