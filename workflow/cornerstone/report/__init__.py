"""The report: one HTML file with every figure and table."""
