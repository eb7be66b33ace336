"""Where the best model is wrong: mistakes that models share, diagnostic statements, the worst records."""
