"""How long a worker of the kill matrix may be silent, in seconds, and how long a real one."""

BEAT_S = 1.0
ALIVE_S = 6.0
HANDOVER_S = 12.0  # a message waits for seconds where the machine is busy
REAL_ALIVE_S = 20.0  # held against the code by tests/faults/test_faults_short.py
REAL_HANDOVER_S = 300.0
# A minute without Redis is longer than a run may be silent and shorter than a message may wait: so is this.
REDIS_GONE_S = 7.0
REDIS_LONG_GONE_S = 60.0  # the minute itself, longer than both here
