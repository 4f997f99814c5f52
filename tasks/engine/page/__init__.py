"""The status page: one HTML file beside the dumps that shows an Overview to whoever opens it."""
