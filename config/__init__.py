"""What the operator sets, when the jobs are due, and Celery's own options. Plain data; imports nothing of ours."""
