"""What the tests stand on: real servers, the fidelity database, an oracle that shares no code with the engine."""
