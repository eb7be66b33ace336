"""What an evaluation writes for readers: the HTML report, the text reports, the model card, the TRIPOD+AI checklist."""
