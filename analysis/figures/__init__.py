"""One file a figure: `x_data` computes plain values, `x_figure` draws them."""
