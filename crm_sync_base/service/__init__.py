from . import cron_guard
