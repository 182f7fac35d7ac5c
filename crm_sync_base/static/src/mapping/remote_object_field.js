import { Component, useState } from "@odoo/owl";
import { AutoComplete } from "@web/core/autocomplete/autocomplete";
import { _t } from "@web/core/l10n/translation";
import { registry } from "@web/core/registry";
import { useService } from "@web/core/utils/hooks";
import { standardFieldProps } from "@web/views/fields/standard_field_props";

const SHOWN = 30;

/** A remote object: chosen by its label from what the system has, custom ones included, or typed. */
export class SyncRemoteObject extends Component {
    static template = "crm_sync_base.RemoteObject";
    static components = { AutoComplete };
    static props = { ...standardFieldProps, connectionField: { type: String, optional: true } };
    static defaultProps = { connectionField: "connection_id" };

    setup() {
        this.orm = useService("orm");
        this.state = useState({ objects: {} });
    }

    get connectionId() {
        return this.props.record.data[this.props.connectionField]?.id;
    }

    get value() {
        return this.props.record.data[this.props.name] || "";
    }

    get sources() {
        return [{ options: (request) => this.options(request), placeholder: _t("Loading…") }];
    }

    async options(request) {
        const typed = (request || "").trim();
        const found = (await this.objects()).filter(
            (one) => !typed || one.label.toLowerCase().includes(typed.toLowerCase()) || one.name.toLowerCase().includes(typed.toLowerCase())
        );
        const options = found.slice(0, SHOWN).map((one) => ({
            label: one.label === one.name ? one.label : `${one.label} (${one.name})${one.custom ? " · " + _t("custom") : ""}`,
            onSelect: () => this.update(one.name),
        }));
        if (typed && !found.some((one) => one.name === typed)) {
            options.push({ label: _t("Use “%s” as it is typed", typed), onSelect: () => this.update(typed) });
        }
        return options;
    }

    /** The connection's objects; a system that cannot be asked has none to offer. */
    async objects() {
        const id = this.connectionId;
        if (!id) {
            return [];
        }
        if (!this.state.objects[id]) {
            this.state.objects[id] = this.orm.silent.call("sync.mapping.editor", "objects_of", [id]).catch(() => []);
        }
        return this.state.objects[id];
    }

    update(value) {
        return this.props.record.update({ [this.props.name]: value });
    }

    onChange({ inputValue }) {
        if (inputValue !== this.value) {
            this.update(inputValue.trim());
        }
    }
}

registry.category("fields").add("sync_remote_object", {
    component: SyncRemoteObject,
    supportedTypes: ["char"],
    extractProps: ({ options }) => (options.connection ? { connectionField: options.connection } : {}),
});
