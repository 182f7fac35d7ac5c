from . import bench_queue
from . import sync_flow
from . import sync_handler_bench
