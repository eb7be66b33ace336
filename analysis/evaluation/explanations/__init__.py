"""What single answers rest on, as pictures: illustrative, never evidence."""
