"""Replacing what the target holds: prepare, prove, publish, or discard. Two methods, one interface."""
