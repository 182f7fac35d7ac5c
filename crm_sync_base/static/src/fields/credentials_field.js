import { Component } from "@odoo/owl";
import { registry } from "@web/core/registry";
import { standardFieldProps } from "@web/views/fields/standard_field_props";

/** The lines of the credential dialog: one write-only input for each credential. */
export class SyncCredentialsField extends Component {
    static template = "crm_sync_base.CredentialsField";
    static props = { ...standardFieldProps };

    get lines() {
        return this.props.record.data[this.props.name].records;
    }

    onChange(line, ev) {
        line.update({ value: ev.target.value, is_cleared: false });
    }

    onClear(line, ev) {
        line.update({ is_cleared: ev.target.checked });
    }
}

registry.category("fields").add("sync_credentials", {
    component: SyncCredentialsField,
    supportedTypes: ["one2many"],
    useSubView: true,
});
