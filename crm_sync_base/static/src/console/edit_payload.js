import { Component, onWillStart, useState } from "@odoo/owl";
import { Dialog } from "@web/core/dialog/dialog";
import { _t } from "@web/core/l10n/translation";
import { registry } from "@web/core/registry";
import { useService } from "@web/core/utils/hooks";

/** The stored document of a job, to be corrected and run again. Nothing is kept but the correction. */
export class SyncEditPayload extends Component {
    static template = "crm_sync_base.EditPayload";
    static components = { Dialog };
    static props = { jobId: Number, close: Function };

    setup() {
        this.orm = useService("orm");
        this.action = useService("action");
        this.title = _t("Edit and Retry");
        this.state = useState({
            document: null, mode: "fields", all: false, texts: {}, text: "", reason: "", error: "", busy: false,
        });
        onWillStart(async () => {
            this.state.document = await this.orm.call("sync.job", "get_editable_document", [[this.props.jobId]]);
            this.state.text = this.state.document.text;
            this.state.all = !this.fields.some((row) => row.mapped);
        });
    }

    get fields() {
        return this.state.document.sections.flatMap((section) => section.fields);
    }

    rows(section) {
        return section.fields.filter((row) => this.state.all || row.mapped);
    }

    get hiddenCount() {
        return this.state.all ? 0 : this.fields.filter((row) => !row.mapped).length;
    }

    value(row) {
        return this.state.texts[row.pointer] ?? row.value;
    }

    placeholder(row) {
        return row.absent ? _t("not in the document") : "";
    }

    onInput(row, value) {
        if (value === row.value) {
            delete this.state.texts[row.pointer];
        } else {
            this.state.texts[row.pointer] = value;
        }
    }

    get changeCount() {
        return Object.keys(this.state.texts).length;
    }

    get isChanged() {
        return this.state.mode === "json" ? this.state.text !== this.state.document.text : this.changeCount > 0;
    }

    get canRun() {
        return this.isChanged && this.state.reason.trim() && !this.state.busy;
    }

    /** Fields and JSON are two ways to write the same thing: what was typed in one is not lost in the other. */
    setMode(mode) {
        this.state.mode = mode;
        this.state.error = "";
    }

    async onRun() {
        this.state.busy = true;
        this.state.error = "";
        const edit = this.state.mode === "json" ? { text: this.state.text } : { texts: { ...this.state.texts } };
        try {
            const action = await this.orm.call("sync.job", "retry_edited", [[this.props.jobId], this.state.reason], edit);
            this.props.close();
            await this.action.doAction(action);
        } catch (error) {
            this.state.error = error.data?.message || error.message;
            this.state.busy = false;
        }
    }
}

registry.category("actions").add("crm_sync_edit_payload", (env, action) => {
    env.services.dialog.add(SyncEditPayload, { jobId: action.params.job_id });
});
