"""Data sets other than PTB-XL: recordings with a table of their labels, or with diagnoses in their headers."""
