import { _t } from "@web/core/l10n/translation";
import { registry } from "@web/core/registry";
import { useService } from "@web/core/utils/hooks";
import { extractM2OFieldProps } from "@web/views/fields/many2one/many2one_field";
import { Many2OneReferenceField } from "@web/views/fields/many2one_reference/many2one_reference_field";
import { FormViewDialog } from "@web/views/view_dialogs/form_view_dialog";

/**
 * A record of any model. Which ones may be chosen, and what a new one starts with,
 * the line itself says in its fields `choices` (a domain) and `defaults` (a context).
 */
export class SyncChoiceField extends Many2OneReferenceField {
    static template = "crm_sync_base.ChoiceField";

    setup() {
        super.setup();
        this.dialog = useService("dialog");
        this.orm = useService("orm");
    }

    get isEmpty() {
        return !this.props.record.data[this.props.name];
    }

    get canChoose() {
        return this.props.record.data.can_choose;
    }

    get canCreate() {
        return this.isEmpty && this.props.record.data.can_create;
    }

    get m2oProps() {
        const { choices, defaults } = this.props.record.data;
        return {
            ...super.m2oProps,
            domain: () => choices || [],
            context: { ...this.props.context, ...(defaults || {}) },
            openActionContext: () => defaults || {},
        };
    }

    /** Make the record that is missing, in a dialog of its own, and choose it. */
    create() {
        this.dialog.add(FormViewDialog, {
            resModel: this.relation,
            context: this.props.record.data.defaults || {},
            title: _t("New"),
            onRecordSaved: async ({ resId }) => {
                const [row] = await this.orm.read(this.relation, [resId], ["display_name"]);
                await this.update(row);
            },
        });
    }
}

registry.category("fields").add("sync_choice", {
    component: SyncChoiceField,
    supportedTypes: ["many2one_reference"],
    fieldDependencies: [
        { name: "choices", type: "json" },
        { name: "defaults", type: "json" },
        { name: "can_create", type: "boolean" },
        { name: "can_choose", type: "boolean" },
    ],
    extractProps: extractM2OFieldProps,
    relatedFields: [{ name: "display_name", type: "char" }],
});
