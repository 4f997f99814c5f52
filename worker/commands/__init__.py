"""The commands, one module each, and what they share. Celery is loaded only by those that need it."""
