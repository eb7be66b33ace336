"""Predict recordings with a trained model: which model, what it says of each recording, tables and figures."""
