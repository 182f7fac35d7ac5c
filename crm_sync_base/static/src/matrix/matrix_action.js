import { Component, onWillStart, useState } from "@odoo/owl";
import { _t } from "@web/core/l10n/translation";
import { registry } from "@web/core/registry";
import { useService } from "@web/core/utils/hooks";
import { Layout } from "@web/search/layout";
import { standardActionServiceProps } from "@web/webclient/actions/action_service";

/** Who owns which field: fields × systems. A choice prepares drafts of the mappings. */
export class SyncMatrix extends Component {
    static template = "crm_sync_base.Matrix";
    static components = { Layout };
    static props = { ...standardActionServiceProps };
    static path = "sync-matrix";
    static displayName = _t("System of Record");

    setup() {
        this.orm = useService("orm");
        this.action = useService("action");
        this.notification = useService("notification");
        this.display = { controlPanel: {} };
        this.state = useState({ data: null, search: "", onlyTrouble: false, busy: false });
        onWillStart(() => this.load());
    }

    async load() {
        this.state.data = await this.orm.call("sync.matrix", "get_matrix", []);
    }

    get objects() {
        const wanted = this.state.search.trim().toLowerCase();
        return this.state.data.objects
            .map((object) => ({
                ...object,
                rows: object.rows.filter(
                    (row) =>
                        (!wanted || `${row.label} ${row.field} ${object.name}`.toLowerCase().includes(wanted)) &&
                        (!this.state.onlyTrouble || row.violations)
                ),
            }))
            .filter((object) => object.rows.length);
    }

    ownerName(owner) {
        if (owner === "odoo") {
            return _t("Odoo");
        }
        if (owner === "shared") {
            return _t("Both");
        }
        return this.state.data.systems.find((system) => system.id === owner)?.name ?? "";
    }

    /** The systems that may own a field: Odoo, and those whose flows have it. */
    owners(row) {
        const ids = Object.keys(row.cells).map(Number);
        return ["odoo", ...ids, "shared"];
    }

    async choose(object, row, owner, conflict = null) {
        this.state.busy = true;
        try {
            const value = owner === "odoo" || owner === "shared" ? owner : Number(owner);
            const drafts = await this.orm.call("sync.matrix", "set_owner", [object.model, row.field, value, conflict]);
            this.notification.add(
                _t("Prepared in %s. It holds when the draft is reviewed and active.", drafts.map((d) => d.name).join(", ")),
                { type: "info" }
            );
        } finally {
            await this.load();
            this.state.busy = false;
        }
    }

    openMapping(id) {
        return this.action.doAction({
            type: "ir.actions.act_window", res_model: "sync.mapping", res_id: id, views: [[false, "form"]],
        });
    }

    openViolations(object, row) {
        return this.action.doAction("crm_sync_base.action_sync_violation", {
            additionalContext: { search_default_model: object.model, search_default_field_name: row.field },
        });
    }
}

registry.category("actions").add("crm_sync_matrix", SyncMatrix);
