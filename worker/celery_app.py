"""The Celery application: options from config, tasks by name, signals from lifecycle."""

from celery import Celery

from config.celery import celery_options
from config.settings import load_settings
from worker.lifecycle import connect_signals
from worker.transport import use_patient_transport

use_patient_transport()
app = Celery("railway-neon-sync", set_as_current=True)
app.conf.update(celery_options(load_settings()))
connect_signals()
