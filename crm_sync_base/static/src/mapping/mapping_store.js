import { reactive } from "@odoo/owl";
import { debounce } from "@web/core/utils/timing";

const MODEL = "sync.mapping.editor";

/** What the editor of one mapping knows: fields of both sides, doubts, live values. Cells read it, the server fills it. */
export class MappingStore {
    constructor(orm) {
        this.orm = orm;
        this.flowId = false;
        this.parent = false;
        this.info = null;
        this.error = "";
        this.busy = false;
        this.fields = {}; // "side/object" → fields, in the order of their labels
        this.findings = [];
        this.examples = null;
        this.example = null;
        this.samples = {};
        this.sampleError = "";
        this.loading = new Map();
        this.round = 0;
    }

    static create(orm) {
        const store = reactive(new MappingStore(orm));
        store.checkSoon = debounce((rules) => store.check(rules), 300);
        return store;
    }

    async open(flowId, parent) {
        this.flowId = flowId;
        this.parent = parent;
        this.info = null;
        this.fields = {};
        this.loading = new Map();
        this.error = "";
        if (!flowId) {
            return;
        }
        this.info = await this.orm.call(MODEL, "load", [flowId, parent]);
        await Promise.all([this.load("odoo", this.info.model), this.load("remote", this.info.object)]);
        if (this.info.can_edit && !this.info.read_at) {
            this.info = await this.orm.call(MODEL, "load", [flowId, parent]);
        }
    }

    /** Ask the provider anew what its object looks like. */
    async refresh() {
        this.busy = true;
        this.error = "";
        try {
            this.info = await this.orm.silent.call(MODEL, "refresh", [this.flowId, this.parent]);
            this.fields = {};
            this.loading = new Map();
            await Promise.all([this.load("odoo", this.info.model), this.load("remote", this.info.object)]);
        } catch (error) {
            this.error = error.data?.message || error.message;
        }
        this.busy = false;
    }

    // === Fields ===

    base(side) {
        return this.info ? (side === "remote" ? this.info.object : this.info.model) : "";
    }

    load(side, name) {
        const key = `${side}/${name}`;
        if (!this.loading.has(key)) {
            const asked = name ? this.orm.call(MODEL, "fields_of", [this.flowId, side, name]) : Promise.resolve([]);
            this.loading.set(key, asked.then((fields) => (this.fields[key] = fields)));
        }
        return this.loading.get(key);
    }

    known(side, name) {
        return this.fields[`${side}/${name}`];
    }

    /** Follow a path; what is not loaded yet is asked for, and the cell is drawn again. */
    describe(side, path) {
        const labels = [];
        let name = this.base(side);
        let rest = path;
        while (rest && name) {
            const fields = this.known(side, name);
            if (!fields) {
                this.load(side, name);
                return { labels: [...labels, rest], pending: true };
            }
            const whole = fields.find((field) => field.name === rest);
            if (whole) {
                return { labels: [...labels, whole.label], field: whole };
            }
            const [head, ...others] = rest.split(".");
            const link = others.length ? fields.find((field) => field.relationship === head) : null;
            if (!link) {
                return { labels: [...labels, rest], unknown: fields.length > 0 };
            }
            labels.push(link.label);
            name = link.references;
            rest = others.join(".").replace(/^\d+\./, "");
        }
        return { labels: rest ? [...labels, rest] : labels };
    }

    // === Doubts ===

    async check(rules) {
        const round = ++this.round;
        if (!this.flowId) {
            return;
        }
        const findings = await this.orm.silent.call(MODEL, "check", [this.flowId, rules, this.parent]);
        if (round === this.round) {
            this.findings = findings;
        }
        if (this.example) {
            await this.sample(rules, round);
        }
    }

    findingsOf(key) {
        return this.findings.filter((finding) => finding.rule === key);
    }

    // === Live values ===

    async findExamples(text) {
        this.sampleError = "";
        try {
            this.examples = await this.orm.silent.call(MODEL, "examples", [this.flowId, text || ""]);
        } catch (error) {
            this.examples = [];
            this.sampleError = error.data?.message || error.message;
        }
    }

    async choose(example, rules) {
        this.example = example;
        this.samples = {};
        if (example) {
            await this.sample(rules, this.round);
        }
    }

    async sample(rules, round) {
        this.sampleError = "";
        try {
            const samples = await this.orm.silent.call(MODEL, "sample", [this.flowId, this.example, rules, this.parent]);
            if (round === this.round) {
                this.samples = samples;
            }
        } catch (error) {
            this.samples = {};
            this.sampleError = error.data?.message || error.message;
        }
    }
}

/** The transform that suits two fields, with what it needs to know; what is not known is taken as it is. */
export function suggest(remote, odoo) {
    if (remote?.kind === "lines" && odoo?.kind === "lines") {
        return { transform: "lines", child_object: remote.references };
    }
    if (odoo?.kind === "reference" && remote?.references) {
        return { transform: "reference", argument: remote.references };
    }
    const kind = odoo?.kind || remote?.kind;
    const transform = { number: "number", integer: "integer", boolean: "boolean", date: "date", datetime: "datetime" }[kind];
    return transform ? { transform } : {};
}
