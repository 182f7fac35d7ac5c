import { Component, onMounted, onWillStart, onWillUnmount, useRef, useState } from "@odoo/owl";
import { browser } from "@web/core/browser/browser";
import { _t } from "@web/core/l10n/translation";
import { registry } from "@web/core/registry";
import { useService } from "@web/core/utils/hooks";
import { useSetupAction } from "@web/search/action_hook";
import { Layout } from "@web/search/layout";
import { standardActionServiceProps } from "@web/webclient/actions/action_service";

import { ago, humanDuration, localTime } from "../core/format";
import { SyncSearchBox } from "../core/search_box";

const LANE = 26; // px between two systems in the drawing
const NODE = 16; // px from a line's top to its dot
const SHOWN = 200; // lines; the rest on request
const VALUES = 4; // changed fields of a line; the rest on request
const REFRESH = 5000; // ms, while something is still under way

const UNDER_WAY = ["pending", "running"];
const ICONS = {
    event: "fa-bolt",
    change: "fa-pencil",
    create: "fa-plus",
    job: "fa-cog",
    push: "fa-upload",
    step: "fa-check",
    poll: "fa-search",
    undo: "fa-undo",
    person: "fa-user",
};

let isFirst = true; // in this page's life: then the address may say what to show

/**
 * What the action was asked to show. The address is read as text, because the
 * router turns an id that looks like a number into one.
 *
 * @param {Object} [params] the action's parameters
 * @returns {string}
 */
function askedFor(params) {
    const address = new URLSearchParams(browser.location.search).get("query") || "";
    const given = params?.query ?? (isFirst ? address : "");
    isFirst = false;
    return typeof given === "number" && Number(address) === given ? address : String(given);
}

/** The whole story of one deal across all systems, as one timeline. */
export class SyncTrace extends Component {
    static template = "crm_sync_base.Trace";
    static components = { Layout, SyncSearchBox };
    static props = { ...standardActionServiceProps };
    static path = "sync-trace";
    static displayName = _t("Trace");

    setup() {
        this.orm = useService("orm");
        this.action = useService("action");
        this.root = useRef("root");
        this.display = { controlPanel: {} };
        this.kinds = [
            { key: "event", label: _t("Events") },
            { key: "job", label: _t("Jobs") },
            { key: "change", label: _t("Changes") },
            { key: "person", label: _t("By Hand") },
        ];
        const asked = askedFor(this.props.action.params);
        const { query, hidden } = this.props.state || {};
        this.state = useState({
            query: query ?? asked,
            trace: null,
            recent: [],
            error: "",
            busy: false,
            hidden: hidden || [],
            all: false,
            unfolded: {},
        });
        useSetupAction({
            rootRef: this.root,
            getLocalState: () => ({ query: this.state.query, hidden: [...this.state.hidden] }),
        });
        onWillStart(() => (this.state.query ? this.load() : this.loadRecent()));
        onMounted(() => this.props.updateActionState?.({ query: this.state.query || undefined }));
        onWillUnmount(() => browser.clearTimeout(this.timer));
    }

    // --- loading ---

    async search(query) {
        this.state.query = query;
        this.state.all = false;
        this.state.unfolded = {};
        this.props.updateActionState?.({ query });
        await this.load();
    }

    /** Read the story; what is shown stays until the answer is there. */
    async load(silent = false) {
        browser.clearTimeout(this.timer);
        const query = this.state.query;
        this.state.busy = !silent;
        try {
            const trace = await (silent ? this.orm.silent : this.orm).call("sync.trace", "get_trace", [query]);
            if (query !== this.state.query) {
                return; // somebody asked for another one meanwhile
            }
            this.state.trace = prepare(trace);
            this.state.error = "";
        } catch (error) {
            this.state.error = error.data?.message || error.message || _t("The server cannot be reached.");
        }
        this.state.busy = false;
        if (this.state.trace?.underWay && !this.state.error) {
            this.timer = browser.setTimeout(() => this.load(true), REFRESH);
        }
    }

    /** Before anything was asked: offer the deals that moved last. */
    async loadRecent() {
        try {
            const overview = await this.orm.call("sync.overview", "get_overview", []);
            this.state.recent = overview.deals.rows;
        } catch {
            this.state.recent = []; // an offer, nothing more
        }
    }

    // --- what is shown ---

    get lines() {
        const shown = this.state.trace.lines.filter((line) => !this.state.hidden.includes(line.kind));
        return layOut(this.state.all ? shown : shown.slice(0, SHOWN), this.state.trace.systems);
    }

    get hiddenCount() {
        const shown = this.state.trace.lines.filter((line) => !this.state.hidden.includes(line.kind));
        return this.state.all ? 0 : Math.max(shown.length - SHOWN, 0);
    }

    get laneWidth() {
        return this.state.trace.systems.length * LANE;
    }

    /** A kind of which the story has no line needs no button. */
    get shownKinds() {
        return this.kinds.filter((kind) => kind.key !== "person" || this.count(kind.key));
    }

    count(kind) {
        return this.state.trace.lines.filter((line) => line.kind === kind).length;
    }

    toggleKind(kind) {
        const { hidden } = this.state;
        this.state.hidden = hidden.includes(kind) ? hidden.filter((other) => other !== kind) : [...hidden, kind];
    }

    values(line) {
        return this.state.unfolded[line.key] ? line.values : line.values.slice(0, VALUES);
    }

    /** Which colour a system has: Odoo its own, the others by their place. */
    colour(system) {
        return laneColour(system, this.state.trace.systems);
    }

    ago(iso) {
        return ago(iso);
    }

    // --- moving on ---

    url(line) {
        const paths = { "sync.event": "sync-events", "sync.job": "sync-jobs", "sync.change": "sync-changes" };
        return `/odoo/${paths[line.model] || `m-${line.model}`}/${line.id}`;
    }

    documentUrl(document) {
        return document.url || `/odoo/m-${document.model}/${document.res_id}`;
    }

    open(model, id) {
        return this.action.doAction({
            type: "ir.actions.act_window",
            res_model: model,
            res_id: id,
            views: [[false, "form"]],
        });
    }

    /** A plain click stays in the page; the browser's own ways of opening a link are left to it. */
    onLine(ev, line) {
        if (!ev.ctrlKey && !ev.metaKey && !ev.shiftKey) {
            ev.preventDefault();
            this.open(line.model, line.id);
        }
    }

    /** Walk to the line of a trouble. */
    showLine(trouble) {
        this.state.all = true;
        this.state.hidden = [];
        browser.setTimeout(() => {
            const link = this.root.el.querySelector(`[data-line="${trouble.line}"]`);
            link?.scrollIntoView({ block: "center" });
            link?.focus();
        });
    }

    onDocument(ev, document) {
        if (!document.url && !ev.ctrlKey && !ev.metaKey && !ev.shiftKey) {
            ev.preventDefault();
            this.open(document.model, document.res_id);
        }
    }

    /** Arrow keys walk along the timeline. */
    onKeydown(ev) {
        const step = { ArrowDown: 1, ArrowUp: -1 }[ev.key];
        const links = [...this.root.el.querySelectorAll(".o_sync_trace_link")];
        const index = links.indexOf(ev.target);
        if (step && index >= 0 && links[index + step]) {
            links[index + step].focus();
            ev.preventDefault();
        }
    }
}

/**
 * Add to the server's answer what the page shows of it.
 *
 * @param {Object} trace the result of `get_trace`
 */
function prepare(trace) {
    const names = [...trace.lines, ...trace.documents].map((item) => item.system);
    const others = [...new Set(names)].filter((name) => name && name !== "Odoo");
    // The one that sells, Odoo, the ones that charge: the way the deal goes.
    const systems = names.includes("Odoo") ? [...others.slice(0, 1), "Odoo", ...others.slice(1)] : others;
    let day = "";
    const troubled = new Set(trace.troubles.map((trouble) => trouble.line));
    for (const line of trace.lines) {
        const moment = line.at ? localTime(line.at) : null;
        line.key = `${line.model},${line.id}`;
        line.time = moment ? moment.toFormat("HH:mm:ss") : "";
        line.moment = moment ? moment.toLocaleString(luxon.DateTime.DATETIME_FULL_WITH_SECONDS) : "";
        line.icon = line.state === "failed" ? "fa-times" : ICONS[line.subkind] || ICONS[line.kind];
        line.gap = line.lag >= 1 ? humanDuration(line.lag) : "";
        const today = moment ? moment.toLocaleString(luxon.DateTime.DATE_HUGE) : "";
        line.day = today !== day ? today : "";
        day = today;
        line.stateLabel = stateLabel(line.state);
        line.troubled = troubled.has(line.key);
    }
    const failed = trace.troubles.length;
    const underWay = trace.lines.filter((line) => UNDER_WAY.includes(line.state)).length;
    const span = trace.lines.reduce((sum, line) => sum + (UNDER_WAY.includes(line.state) ? 0 : line.lag), 0);
    return { ...trace, systems, failed, underWay, span: humanDuration(span), began: trace.lines[0]?.at || "" };
}

function stateLabel(state) {
    return {
        pending: _t("Waiting"),
        running: _t("Running"),
        failed: _t("Failed"),
        cancelled: _t("Replaced"),
        planned: _t("Only planned"),
        undone: _t("Undone"),
    }[state];
}

function laneColour(system, systems) {
    return system === "Odoo" ? "odoo" : Math.max(systems.indexOf(system), 0) % 6;
}

/**
 * Say where each line's dot is, and how the way gets there from the line before.
 *
 * @param {Object[]} lines
 * @param {string[]} systems from left to right
 */
function layOut(lines, systems) {
    let before = null;
    return lines.map((line, index) => {
        const lane = Math.max(systems.indexOf(line.system), 0);
        const x = lane * LANE + LANE / 2;
        const from = before ?? x;
        before = x;
        return {
            ...line,
            x,
            colour: laneColour(line.system, systems),
            incoming: index ? `M${from} 0 C${from} ${NODE * 0.7} ${x} ${NODE * 0.3} ${x} ${NODE}` : "",
            last: index === lines.length - 1,
        };
    });
}

registry.category("actions").add("crm_sync_trace", SyncTrace);
