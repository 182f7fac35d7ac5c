"""Installation hooks: work that waits changes hands."""


def post_init_hook(env):
    """Let what waits be picked up, by whichever runs here."""
    env["sync.lane"]._wake()


def uninstall_hook(env):
    """Take the lanes off the job queue and give them back to their scheduled actions."""
    env["queue.job"].flush_model()
    env.cr.execute(
        "DELETE FROM queue_job WHERE model_name = 'sync.lane' AND state IN ('pending', 'enqueued')"
    )
    env["queue.job"].invalidate_model()
    for cron in env["sync.lane"].search([]).cron_id:
        cron._trigger()
