"""Rows in every ledger, so that no page is opened empty."""

from __future__ import annotations

from tests.support.servers import OdooServer

STORY = "0f3a7c52e81b4d6c9a5e1b2c3d4e5f60"
REMOTE_ID = "browser-test-1"


def fill(server: OdooServer) -> None:
    """Make a connection to each system that there is, never connected, and one story in the ledgers.

    The ledgers cannot be written through the API, which is as it should be;
    hence SQL. The audit trail finds that, which is as it should be, too, so it is not
    verified here. Without a connector module there is nothing to connect, and the
    pages stay empty.
    """
    server.sql(
        "UPDATE ir_cron SET active = FALSE, sync_off_by_hand = TRUE WHERE id = "
        "(SELECT res_id FROM ir_model_data WHERE module = 'crm_sync_base' AND name = 'ir_cron_verify')"
    )
    for provider, label in _providers(server):
        connection = server.rpc("sync.connection", "create", {
            "name": f"{label} Test", "provider": provider, "base_url": "http://127.0.0.1:9", "api_version": "1",
        })
        server.rpc("sync.connection", "action_install_flows", [connection])
    flows = server.rpc("sync.flow", "search_read", [("direction", "=", "inbound"), ("model", "=", "res.partner")],
                       ["connection_id"], limit=1)
    for flow in flows:
        partner = server.rpc("res.partner", "create", {"name": "Browser Test Ltd"})
        _ledgers(server, flow["connection_id"][0], flow["id"], partner)


def _providers(server: OdooServer) -> list[tuple[str, str]]:
    return server.rpc("sync.connection", "fields_get", ["provider"], ["selection"])["provider"]["selection"]


def _ledgers(server: OdooServer, connection: int, flow: int, partner: int) -> None:
    company = server.sql("SELECT company_id FROM sync_connection WHERE id = %s", [connection])[0][0]
    common = {"c": connection, "f": flow, "p": partner, "o": company, "s": STORY, "x": REMOTE_ID}
    [[exception]] = server.sql(
        """
        INSERT INTO sync_exception (name, state, state_order, connection_id, flow_id, company_id, error_code,
               fingerprint, message, hint, first_seen, last_seen, deadline, create_date, write_date)
        VALUES ('Browser Test Ltd has no country.', 'new', 0, %(c)s, %(f)s, %(o)s, 'data_invalid', 'browser-test',
               'Browser Test Ltd has no country.', 'Enter it at the source.', now(), now(),
               now() - interval '1 hour', now(), now())
        RETURNING id
        """, common)
    jobs = server.sql(
        """
        INSERT INTO sync_job (name, kind, state, flow_id, connection_id, company_id, idempotency_key, lane_key,
               priority, eta, coalesced, remote_object, external_id, model, res_id, correlation_id, attempts, crashes,
               started_at, done_at, summary, error_code, error_message, error_hint, exception_id, create_date)
        SELECT 'Record ' || state, 'record', state, %(f)s, %(c)s, %(o)s, 'browser-' || state, 'browser-' || state,
               20, now(), 0, 'Account', %(x)s, 'res.partner', %(p)s, %(s)s, 1, 0, now(), now(), 'Result', error,
               CASE WHEN error IS NOT NULL THEN 'Browser Test Ltd has no country.' END,
               CASE WHEN error IS NOT NULL THEN 'Enter it at the source.' END,
               CASE WHEN error IS NOT NULL THEN %(e)s END, now()
          FROM (VALUES ('done', NULL), ('failed', 'data_invalid'), ('cancelled', NULL)) AS rows (state, error)
        RETURNING id
        """, dict(common, e=exception))
    common["j"] = jobs[0][0]
    server.sql(
        """
        INSERT INTO sync_event (connection_id, company_id, source_id, origin, event_type, remote_object, external_id,
               verdict, reason, received_at, delivery_count, job_id, correlation_id, create_date)
        VALUES (%(c)s, %(o)s, 'browser-1', 'webhook', 'changed', 'Account', %(x)s, 'accepted', NULL, now(), 2,
               %(j)s, %(s)s, now()),
               (%(c)s, %(o)s, 'browser-2', 'webhook', NULL, NULL, NULL, 'bad_signature', 'not ours', now(), 1,
               NULL, NULL, now())
        """, common)
    server.sql(
        """
        INSERT INTO sync_change (job_id, flow_id, connection_id, company_id, direction, operation, verdict, model,
               res_id, record_name, remote_object, external_id, values, correlation_id, create_date)
        VALUES (%(j)s, %(f)s, %(c)s, %(o)s, 'inbound', 'create', 'applied', 'res.partner', %(p)s, 'Browser Test Ltd',
               'Account', %(x)s, '{"name": [null, "Browser Test Ltd"], "city": ["Here", "There"]}', %(s)s, now())
        """, common)
    server.sql(
        """
        INSERT INTO sync_binding (connection_id, company_id, remote_object, external_id, model, res_id,
               correlation_id, synced_at, create_date)
        VALUES (%(c)s, %(o)s, 'Account', %(x)s, 'res.partner', %(p)s, %(s)s, now(), now())
        """, common)
    server.sql(
        """
        INSERT INTO sync_run (name, kind, state, flow_id, connection_id, company_id, seen_count, new_count,
               known_count, started_at, done_at, create_date)
        VALUES ('Browser test', 'poll', 'done', %(f)s, %(c)s, %(o)s, 3, 1, 2, now(), now(), now())
        """, common)
