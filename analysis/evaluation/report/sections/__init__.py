"""The sections of the HTML report, in their order on the page: each module computes what one or two of them show."""
