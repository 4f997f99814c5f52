"""Telling people: what is worth a notice, its words, the outbox that forgets none, and the ways out."""
