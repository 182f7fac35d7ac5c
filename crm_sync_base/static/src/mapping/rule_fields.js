import { Component, useRef, useState } from "@odoo/owl";
import { _t } from "@web/core/l10n/translation";
import { usePopover } from "@web/core/popover/popover_hook";
import { registry } from "@web/core/registry";
import { standardFieldProps } from "@web/views/fields/standard_field_props";

import { SyncFieldPicker } from "./field_picker";
import { suggest } from "./mapping_store";

const SOURCELESS = ["constant"];

/** One end of a rule: a field of the remote object or of the Odoo model. */
class SyncRulePath extends Component {
    static template = "crm_sync_base.RulePath";
    static props = { ...standardFieldProps };
    side = "";

    setup() {
        this.store = this.env.mappingStore && useState(this.env.mappingStore);
        this.target = useRef("target");
        this.popover = usePopover(SyncFieldPicker, {
            popoverClass: "o_sync_picker_popover",
            position: "bottom-start",
            setActiveElement: true,
        });
    }

    get path() {
        return this.props.record.data[this.props.name] || "";
    }

    get shown() {
        return this.store.describe(this.side, this.path);
    }

    get isSourceless() {
        return SOURCELESS.includes(this.props.record.data.transform);
    }

    get isMandatory() {
        return this.side === "odoo";
    }

    /** Out of Odoo, values may come from linked records; into Odoo, only the record itself is written. */
    get canFollow() {
        return this.side === "remote" || this.props.record.data.direction === "outbound";
    }

    onOpen() {
        if (!this.props.readonly && this.store.info) {
            this.popover.open(this.target.el, {
                store: this.store,
                side: this.side,
                path: this.path,
                follow: this.canFollow,
                onSelect: (path, field, label) => this.select(path, field, label),
            });
        }
    }

    onKeydown(ev) {
        if (!this.props.readonly && ["Enter", " ", "ArrowDown"].includes(ev.key)) {
            ev.preventDefault();
            ev.stopPropagation();
            this.onOpen();
        }
    }

    clear() {
        return this.props.record.update({ [this.props.name]: false });
    }

    select(path, field, label) {
        const data = this.props.record.data;
        const changes = { [this.props.name]: path };
        if (this.side === "remote" && label && (!data.name || data.name === this.shown.labels.join(" "))) {
            changes.name = label;
        }
        const remote = this.side === "remote" ? field : this.store.describe("remote", data.remote_path || "").field;
        const odoo = this.side === "odoo" ? field : this.store.describe("odoo", data.field_name || "").field;
        if (data.transform === "direct" && remote && odoo) {
            const found = suggest(remote, odoo);
            for (const name of Object.keys(found)) {
                if (name in data) {
                    changes[name] = found[name];
                }
            }
        }
        return this.props.record.update(changes);
    }
}

export class SyncRemotePath extends SyncRulePath {
    side = "remote";
}

export class SyncOdooField extends SyncRulePath {
    side = "odoo";
}

const DIRECTIONS = {
    inbound: { icon: "fa-long-arrow-left", label: _t("Into Odoo"), next: "outbound" },
    outbound: { icon: "fa-long-arrow-right", label: _t("Out of Odoo"), next: "both" },
    both: { icon: "fa-arrows-h", label: _t("Both ways"), next: "inbound" },
};

/** The arrow between the two ends; a click turns it. */
export class SyncRuleDirection extends Component {
    static template = "crm_sync_base.RuleDirection";
    static props = { ...standardFieldProps };

    get direction() {
        return DIRECTIONS[this.props.record.data[this.props.name]] || DIRECTIONS.inbound;
    }

    get icon() {
        return this.direction.icon;
    }

    get label() {
        return this.direction.label;
    }

    next() {
        return this.props.record.update({ [this.props.name]: this.direction.next });
    }
}

/** What is doubtful about a rule, and what it makes of the example. */
export class SyncRuleSample extends Component {
    static template = "crm_sync_base.RuleSample";
    static props = { ...standardFieldProps };

    setup() {
        this.store = this.env.mappingStore && useState(this.env.mappingStore);
    }

    get sample() {
        return this.store.samples[this.props.record.id];
    }

    get findings() {
        return this.store.findingsOf(this.props.record.id);
    }

    get isWrong() {
        return this.findings.some((finding) => finding.level === "error");
    }

    get explanation() {
        return this.findings.map((finding) => finding.message).join("\n");
    }
}

const fields = registry.category("fields");
fields.add("sync_remote_path", { component: SyncRemotePath, supportedTypes: ["char"], listViewWidth: [160, 320] });
fields.add("sync_odoo_field", { component: SyncOdooField, supportedTypes: ["char"], listViewWidth: [160, 320] });
fields.add("sync_direction", { component: SyncRuleDirection, supportedTypes: ["selection"], listViewWidth: 60 });
fields.add("sync_rule_sample", { component: SyncRuleSample, supportedTypes: ["char"], listViewWidth: [140, 360] });
