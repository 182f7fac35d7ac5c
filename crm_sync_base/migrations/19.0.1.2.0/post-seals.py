"""The change ledger became append-only and sealed."""

from odoo import SUPERUSER_ID, api


def migrate(cr, version):
    """Say whose action led to the changes that are there, then have them sealed."""
    cr.execute(
        """
        ALTER TABLE sync_change DISABLE TRIGGER sync_change_append_only;
        UPDATE sync_change SET user_id = create_uid WHERE user_id IS NULL;
        ALTER TABLE sync_change ENABLE TRIGGER sync_change_append_only;
        """
    )
    env = api.Environment(cr, SUPERUSER_ID, {})
    env["sync.seal.key"]._ensure()
    env["sync.seal.note"]._note_everything()
    env.ref("crm_sync_base.ir_cron_seal")._trigger()
