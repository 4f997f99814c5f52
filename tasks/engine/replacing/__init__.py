"""Replacing what the target holds: prepare, prove, publish, or discard. Two methods, one interface."""

from tasks.engine.replacing.interface import Replacement, Replacing, choose_method, replacement_of

__all__ = ["Replacement", "Replacing", "choose_method", "replacement_of"]
