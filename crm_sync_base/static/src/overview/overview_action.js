import { Component } from "@odoo/owl";
import { _t } from "@web/core/l10n/translation";
import { registry } from "@web/core/registry";
import { useService } from "@web/core/utils/hooks";
import { Layout } from "@web/search/layout";
import { standardActionServiceProps } from "@web/webclient/actions/action_service";

import { useFigures } from "../core/figures";
import { ago, localTime } from "../core/format";
import { SyncSearchBox } from "../core/search_box";

const REFRESH = 10000; // ms between an answer and the next question

/** What is under way right now, and what waits for a person. */
export class SyncOverview extends Component {
    static template = "crm_sync_base.Overview";
    static components = { Layout, SyncSearchBox };
    static props = { ...standardActionServiceProps };
    static path = "sync-overview";
    static displayName = _t("Overview");

    setup() {
        this.action = useService("action");
        this.display = { controlPanel: {} };
        Object.assign(this, useFigures("sync.overview", "get_overview", REFRESH));
    }

    get tiles() {
        const { deals, jobs, exceptions } = this.state.data;
        return [
            { key: "deals", value: deals.count, label: _t("Deals under way"), open: () => this.openDeals() },
            { key: "waiting", value: jobs.waiting, label: _t("Jobs waiting"), open: () => this.openJobs("waiting") },
            { key: "running", value: jobs.running, label: _t("Jobs running"), open: () => this.openJobs("running") },
            {
                key: "failed",
                value: jobs.failed,
                label: _t("Jobs failed"),
                alarm: jobs.failed > 0,
                open: () => this.openJobs("failed"),
            },
            {
                key: "exceptions",
                value: exceptions.open,
                label: _t("Open exceptions"),
                alarm: exceptions.late > 0,
                hint: exceptions.late ? _t("%s late", exceptions.late) : "",
                open: () => this.openExceptions({ search_default_open: 1 }),
            },
        ];
    }

    /** How long a class's bar is, in percent of the longest: records wait behind it. */
    share(row) {
        const size = (other) => Math.max(other.waiting, other.count);
        return Math.round((100 * size(row)) / Math.max(...this.state.data.exceptions.classes.map(size)));
    }

    ago(iso) {
        return ago(iso);
    }

    moment(iso) {
        return localTime(iso).toLocaleString(luxon.DateTime.DATETIME_MED);
    }

    // --- moving on ---

    trace(query) {
        return this.action.doAction({
            type: "ir.actions.client",
            tag: "crm_sync_trace",
            name: _t("Trace"),
            params: { query },
        });
    }

    openJobs(filter) {
        return this.openAction("action_sync_job", { [`search_default_${filter}`]: 1 });
    }

    openDeals() {
        return this.action.doAction({
            type: "ir.actions.act_window",
            name: _t("Deals under way"),
            res_model: "sync.job",
            views: [
                [false, "list"],
                [false, "form"],
            ],
            domain: this.state.data.deals.domain,
            context: { search_default_by_correlation: 1 },
        });
    }

    openExceptions(context) {
        return this.openAction("action_sync_exception", context, "list");
    }

    openClass(row) {
        return this.action.doAction("crm_sync_base.action_sync_exception", {
            viewType: "list",
            additionalContext: { search_default_open: 1, search_default_error_code: row.code },
        });
    }

    openAction(name, context, viewType) {
        return this.action.doAction(`crm_sync_base.${name}`, { additionalContext: context, viewType });
    }

    openRecord(model, id) {
        return this.action.doAction({
            type: "ir.actions.act_window",
            res_model: model,
            res_id: id,
            views: [[false, "form"]],
        });
    }

    openEvent(event) {
        return event.correlation_id ? this.trace(event.correlation_id) : this.openRecord("sync.event", event.id);
    }
}

registry.category("actions").add("crm_sync_overview", SyncOverview);
