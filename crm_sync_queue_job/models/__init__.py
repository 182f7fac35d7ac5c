from . import sync_lane, sync_watchdog
