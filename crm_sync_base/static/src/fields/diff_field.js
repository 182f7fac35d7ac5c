import { Component } from "@odoo/owl";
import { registry } from "@web/core/registry";
import { standardFieldProps } from "@web/views/fields/standard_field_props";

/** The fields that a change altered, before and after, as a table. */
export class SyncDiffField extends Component {
    static template = "crm_sync_base.DiffField";
    static props = { ...standardFieldProps };

    get rows() {
        return this.props.record.data[this.props.name] || [];
    }
}

registry.category("fields").add("sync_diff", { component: SyncDiffField, supportedTypes: ["json"] });
