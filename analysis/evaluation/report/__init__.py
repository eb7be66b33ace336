"""What an evaluation writes for readers: the HTML report, the model card, the TRIPOD+AI checklist."""
