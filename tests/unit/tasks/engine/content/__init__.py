"""What a database holds, as values: no server is needed."""
