"""A temporal convolutional network as a model family of ecg-tune."""
