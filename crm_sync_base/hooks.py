"""Installation hooks."""


def post_init_hook(env):
    """Give a new database the lanes that run jobs and its own identity."""
    env["sync.lane"]._ensure_lanes()
