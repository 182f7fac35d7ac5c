import { Component } from "@odoo/owl";
import { _t } from "@web/core/l10n/translation";
import { registry } from "@web/core/registry";
import { useService } from "@web/core/utils/hooks";
import { Layout } from "@web/search/layout";
import { standardActionServiceProps } from "@web/webclient/actions/action_service";

import { useFigures } from "../core/figures";
import { ago, humanDuration, localTime } from "../core/format";

const REFRESH = 4000; // ms between an answer and the next question

/** What the lanes are doing right now; every number leads to the jobs behind it. */
export class SyncConsole extends Component {
    static template = "crm_sync_base.Console";
    static components = { Layout };
    static props = { ...standardActionServiceProps };
    static path = "sync-console";
    static displayName = _t("Job Console");

    setup() {
        this.action = useService("action");
        this.display = { controlPanel: {} };
        Object.assign(this, useFigures("sync.console", "get_console", REFRESH));
    }

    // --- figures ---

    get tiles() {
        const figures = this.state.data.figures;
        return [
            {
                key: "due",
                value: figures.due,
                label: _t("Due, not started"),
                hint: figures.oldest_at ? _t("oldest: %s", this.age(figures.oldest_at)) : "",
                filters: ["due"],
            },
            { key: "running", value: figures.running, label: _t("Running"), filters: ["running"] },
            {
                key: "retries",
                value: figures.retries,
                label: _t("Trying again later"),
                hint: figures.next_retry_at ? _t("next: %s", this.until(figures.next_retry_at)) : "",
                filters: ["retries"],
            },
            { key: "planned", value: figures.planned, label: _t("Planned"), filters: ["planned"] },
            {
                key: "failed",
                value: figures.failed,
                label: _t("Failed"),
                alarm: figures.failed > 0,
                hint: figures.failed_hour ? _t("%s in the last hour", figures.failed_hour) : "",
                filters: ["failed"],
            },
            {
                key: "minute",
                value: figures.minute,
                label: _t("Done, last minute"),
                filters: ["done", "last_minute", "no_polls"],
            },
            {
                key: "hour",
                value: figures.hour,
                more: figures.and_more,
                label: _t("Done, last hour"),
                filters: ["done", "last_hour", "no_polls"],
            },
        ];
    }

    get shares() {
        return [_t("Half within"), _t("95 % within"), _t("99 % within")];
    }

    number(value) {
        return value.toLocaleString();
    }

    /** @param {number} seconds, which may be a small fraction or absent */
    seconds(seconds) {
        if (seconds === null || seconds === undefined) {
            return "–";
        }
        if (seconds < 0.9995) {
            return _t("%s ms", Math.round(seconds * 1000));
        }
        return seconds < 60 ? _t("%s s", seconds.toFixed(1)) : humanDuration(seconds);
    }

    /** How long ago, measured with the server's clock. */
    age(iso) {
        return humanDuration(this.serverNow.diff(localTime(iso), "seconds").seconds);
    }

    /** How long until a moment, measured with the server's clock. */
    until(iso) {
        return _t("in %s", humanDuration(localTime(iso).diff(this.serverNow, "seconds").seconds));
    }

    get serverNow() {
        return localTime(this.state.data.at);
    }

    ago(iso) {
        return ago(iso);
    }

    // --- moving on ---

    /**
     * Open the job list under some of its filters.
     *
     * @param {string[]} filters names of the search view's filters
     * @param {Object} [values] field → value of the search view's fields
     */
    openJobs(filters, values = {}) {
        const context = {};
        for (const name of filters) {
            context[`search_default_${name}`] = 1;
        }
        for (const [name, value] of Object.entries(values)) {
            context[`search_default_${name}`] = value;
        }
        return this.action.doAction("crm_sync_base.action_sync_job", { additionalContext: context });
    }

    openRecord(model, id) {
        return this.action.doAction({
            type: "ir.actions.act_window",
            res_model: model,
            res_id: id,
            views: [[false, "form"]],
        });
    }

    openGraph() {
        return this.action.doAction("crm_sync_base.action_sync_job", {
            viewType: "graph",
            additionalContext: { search_default_no_polls: 1 },
        });
    }
}

registry.category("actions").add("crm_sync_console", SyncConsole);
