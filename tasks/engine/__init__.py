"""The engine: how a backup is made, proved, published and undone. No Celery, no global setting, below this line."""
