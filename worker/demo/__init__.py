"""The demo: the product in small, on servers that it starts and ends itself."""
