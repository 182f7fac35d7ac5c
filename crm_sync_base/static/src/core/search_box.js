import { Component, useRef, useState, onWillUpdateProps } from "@odoo/owl";
import { useAutofocus } from "@web/core/utils/hooks";

/** The box in which people ask where a deal is. */
export class SyncSearchBox extends Component {
    static template = "crm_sync_base.SearchBox";
    static props = {
        query: { type: String, optional: true },
        busy: { type: Boolean, optional: true },
        onSearch: Function,
    };
    static defaultProps = { query: "", busy: false };

    setup() {
        this.state = useState({ text: this.props.query });
        this.input = useRef("autofocus");
        useAutofocus();
        onWillUpdateProps((next) => {
            if (next.query !== this.props.query) {
                this.state.text = next.query;
            }
        });
    }

    /** The button is never disabled: a browser ignores Enter until a disabled one is drawn anew. */
    onSubmit() {
        const text = this.state.text.trim();
        return text ? this.props.onSearch(text) : this.input.el.focus();
    }

    onClear() {
        this.state.text = "";
        this.input.el.focus();
    }
}
