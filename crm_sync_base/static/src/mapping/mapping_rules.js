import { onWillStart, useEffect, useState, useSubEnv } from "@odoo/owl";
import { _t } from "@web/core/l10n/translation";
import { Dropdown } from "@web/core/dropdown/dropdown";
import { DropdownItem } from "@web/core/dropdown/dropdown_item";
import { registry } from "@web/core/registry";
import { X2ManyField, x2ManyField } from "@web/views/fields/x2many/x2many_field";

import { localTime } from "../core/format";
import { MappingStore } from "./mapping_store";

/** What the server is told of a rule; it need not be saved. */
const SENT = ["remote_path", "field_name", "direction", "transform", "argument", "name", "required", "child_object", "separator"];

/** The rules of a mapping: Odoo's fields on the left, the other system's on the right, doubts and live values beside them. */
export class SyncMappingRules extends X2ManyField {
    static template = "crm_sync_base.MappingRules";
    static components = { ...X2ManyField.components, Dropdown, DropdownItem };

    setup() {
        super.setup();
        // Not by useService: that one raises for what is asked after somebody has left the tab,
        // and the store asks a moment later, and several things in a row.
        this.store = useState(MappingStore.create(this.env.services.orm));
        this.state = useState({ text: "", showAll: false });
        useSubEnv({ mappingStore: this.store });
        onWillStart(() => this.store.open(this.flowId, this.parent));
        useEffect(
            () => {
                const parent = this.parent;
                if (this.flowId !== this.store.flowId || JSON.stringify(parent) !== JSON.stringify(this.store.parent)) {
                    this.store.open(this.flowId, parent).then(() => this.store.check(this.rules));
                }
            },
            () => [this.flowId, JSON.stringify(this.parent)]
        );
        useEffect(
            () => {
                this.store.checkSoon(this.rules);
            },
            () => [JSON.stringify(this.rules), this.store.info]
        );
    }

    get flowId() {
        return this.props.record.data.flow_id?.id || false;
    }

    /** The collection whose lines are mapped; false for a whole document. */
    get parent() {
        const record = this.props.record;
        if (record.resModel !== "sync.mapping.rule") {
            return false;
        }
        const { remote_path, field_name, child_object } = record.data;
        return { remote_path, field_name, child_object };
    }

    get rules() {
        return this.list.records.map((record) => ({
            key: record.id,
            ...Object.fromEntries(SENT.filter((name) => name in record.data).map((name) => [name, record.data[name]])),
            value_map_id: record.data.value_map_id?.id || false,
        }));
    }

    get readAt() {
        const moment = this.store.info?.read_at;
        return moment ? localTime(moment).toRelative() : "";
    }

    get errors() {
        return this.store.findings.filter((finding) => finding.level === "error");
    }

    get warnings() {
        return this.store.findings.filter((finding) => finding.level !== "error");
    }

    get shownFindings() {
        return this.state.showAll ? this.store.findings : this.store.findings.slice(0, 4);
    }

    get exampleLabel() {
        return this.store.example ? this.store.example.label : _t("Choose a record…");
    }

    onOpenExamples() {
        if (!this.store.examples) {
            this.store.findExamples("");
        }
    }

    onFindExamples() {
        this.store.findExamples(this.state.text.trim());
    }

    onChooseExample(example) {
        this.store.choose(example, this.rules);
    }

    async onRefresh() {
        await this.store.refresh();
        await this.store.check(this.rules);
    }

    /** A new rule goes the way of its flow. */
    onAdd(params = {}) {
        const direction = this.parent ? "inbound" : this.store.info?.direction || "inbound";
        return super.onAdd({ ...params, context: { default_direction: direction, ...params.context } });
    }

    /** Map what is mandatory and is not mapped yet. */
    onMap(finding) {
        const context = { default_direction: this.store.info.direction };
        if (finding.side === "odoo") {
            context.default_field_name = finding.field;
        } else {
            context.default_remote_path = finding.field;
        }
        return this.onAdd({ context, editable: "bottom" });
    }
}

export const syncMappingRules = {
    ...x2ManyField,
    component: SyncMappingRules,
    supportedTypes: ["one2many"],
    additionalClasses: [...(x2ManyField.additionalClasses || []), "o_field_one2many"],
};

registry.category("fields").add("sync_mapping_rules", syncMappingRules);
