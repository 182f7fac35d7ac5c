import { Component } from "@odoo/owl";
import { _t } from "@web/core/l10n/translation";
import { registry } from "@web/core/registry";
import { standardFieldProps } from "@web/views/fields/standard_field_props";

import { localTime } from "../core/format";

const ICONS = {
    pending: "fa-circle-o",
    done: "fa-check",
    failed: "fa-times",
    handled: "fa-user",
    skipped: "fa-minus",
    undoing: "fa-refresh",
    undone: "fa-undo",
    kept: "fa-lock",
    person: "fa-exclamation",
};

/** The steps of a saga from left to right, each with what came of it. */
export class SyncSagaTimeline extends Component {
    static template = "crm_sync_base.SagaTimeline";
    static props = { ...standardFieldProps };

    get steps() {
        return (this.props.record.data[this.props.name] || []).map((step) => ({
            ...step,
            icon: ICONS[step.state],
            time: step.at ? localTime(step.at).toLocaleString(luxon.DateTime.DATETIME_SHORT_WITH_SECONDS) : "",
        }));
    }
}

/** The same as a row of dots, for lists. */
export class SyncSagaDots extends SyncSagaTimeline {
    static template = "crm_sync_base.SagaDots";

    get summary() {
        return this.steps.map((step) => `${step.name}: ${step.label}`).join(", ") || _t("No steps");
    }
}

registry.category("fields").add("sync_saga_timeline", { component: SyncSagaTimeline, supportedTypes: ["json"] });
registry.category("fields").add("sync_saga_dots", { component: SyncSagaDots, supportedTypes: ["json"] });
