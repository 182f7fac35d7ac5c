from . import test_queue_lanes
