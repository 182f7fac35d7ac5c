import { Component, onWillStart, useRef, useState } from "@odoo/owl";
import { _t } from "@web/core/l10n/translation";
import { useAutofocus } from "@web/core/utils/hooks";

const SHOWN = 100;

/** Choose a field by its label or name; an arrow leads on to the fields of a linked record. */
export class SyncFieldPicker extends Component {
    static template = "crm_sync_base.FieldPicker";
    static props = {
        store: Object,
        side: String,
        path: { type: String, optional: true },
        follow: { type: Boolean, optional: true },
        onSelect: Function,
        close: { type: Function, optional: true },
    };

    setup() {
        useAutofocus({ refName: "search" });
        this.body = useRef("body");
        this.state = useState({ stack: [], query: "", active: 0, fields: [] });
        onWillStart(() => this.enter({ object: this.props.store.base(this.props.side), prefix: "", title: "" }));
    }

    get page() {
        return this.state.stack.at(-1);
    }

    async enter(page) {
        this.state.fields = await this.props.store.load(this.props.side, page.object);
        this.state.stack.push(page);
        this.state.query = "";
        this.state.active = 0;
    }

    async back() {
        this.state.stack.pop();
        this.state.fields = await this.props.store.load(this.props.side, this.page.object);
        this.state.query = "";
        this.state.active = 0;
    }

    /** Those whose label begins with what was typed come first. */
    get found() {
        const query = this.state.query.trim().toLowerCase();
        const hits = this.state.fields.filter(
            (field) => field.label.toLowerCase().includes(query) || field.name.toLowerCase().includes(query)
        );
        const rank = (field) => (field.label.toLowerCase().startsWith(query) ? 0 : 1);
        return hits.sort((a, b) => (query ? rank(a) - rank(b) : 0)).slice(0, SHOWN);
    }

    get hiddenCount() {
        return Math.max(0, this.state.fields.length - SHOWN);
    }

    /** Schemas may be out of date, or not readable: a path can always be typed. */
    get isFree() {
        const query = this.state.query.trim();
        return query && !this.state.fields.some((field) => field.name === query);
    }

    canFollow(field) {
        return this.props.follow && field.relationship && field.references;
    }

    followLabel(field) {
        return _t("Fields of %s", field.label);
    }

    select(field) {
        this.props.onSelect(this.page.prefix + field.name, field, [this.page.title, field.label].filter(Boolean).join(" "));
        this.props.close?.();
    }

    selectTyped() {
        this.props.onSelect(this.page.prefix + this.state.query.trim(), null, "");
        this.props.close?.();
    }

    followField(field) {
        return this.enter({
            object: field.references,
            prefix: `${this.page.prefix}${field.relationship}.`,
            title: field.label,
        });
    }

    onKeydown(ev) {
        const found = this.found;
        const move = { ArrowDown: 1, ArrowUp: -1 }[ev.key];
        if (move) {
            const last = found.length - 1;
            this.state.active = Math.max(0, Math.min(last, this.state.active + move));
            this.body.el.children[this.state.active]?.scrollIntoView({ block: "nearest" });
        } else if (ev.key === "Enter" && found.length) {
            this.select(found[Math.min(this.state.active, found.length - 1)]);
        } else if (ev.key === "Enter" && this.isFree) {
            this.selectTyped();
        } else if (ev.key === "ArrowRight" && !this.state.query && found[this.state.active] && this.canFollow(found[this.state.active])) {
            this.followField(found[this.state.active]);
        } else if (ev.key === "ArrowLeft" && !this.state.query && this.page.prefix) {
            this.back();
        } else {
            return;
        }
        ev.preventDefault();
        ev.stopPropagation();
    }
}
