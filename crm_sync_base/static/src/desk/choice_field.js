import { registry } from "@web/core/registry";
import { extractM2OFieldProps } from "@web/views/fields/many2one/many2one_field";
import { Many2OneReferenceField } from "@web/views/fields/many2one_reference/many2one_reference_field";

/**
 * A record of any model. Which ones may be chosen, and what a new one starts with,
 * the line itself says in its fields `choices` (a domain) and `defaults` (a context).
 */
export class SyncChoiceField extends Many2OneReferenceField {
    get m2oProps() {
        const { choices, defaults } = this.props.record.data;
        return {
            ...super.m2oProps,
            domain: () => choices || [],
            context: { ...this.props.context, ...(defaults || {}) },
            openActionContext: () => defaults || {},
        };
    }
}

registry.category("fields").add("sync_choice", {
    component: SyncChoiceField,
    supportedTypes: ["many2one_reference"],
    fieldDependencies: [
        { name: "choices", type: "json" },
        { name: "defaults", type: "json" },
    ],
    extractProps: extractM2OFieldProps,
    relatedFields: [{ name: "display_name", type: "char" }],
});
