import { onWillStart, onWillUnmount, useExternalListener, useState } from "@odoo/owl";
import { browser } from "@web/core/browser/browser";
import { _t } from "@web/core/l10n/translation";
import { useService } from "@web/core/utils/hooks";

/**
 * Figures that stay current while somebody looks at them.
 *
 * The next question is asked some time after the answer, so that a slow server is
 * asked less often; a page that nobody looks at, or that is paused, asks nothing.
 *
 * @param {string} model whose `method`, called without arguments, returns the figures
 * @param {string} method
 * @param {number} pause milliseconds between an answer and the next question
 * @returns {{ state: { data: Object | null, error: string, paused: boolean },
 *     load: Function, togglePause: Function }}
 */
export function useFigures(model, method, pause) {
    const orm = useService("orm");
    const state = useState({ data: null, error: "", paused: false });
    let timer;
    let loading = false;

    const stop = () => browser.clearTimeout(timer);

    const load = async () => {
        stop();
        if (loading) {
            return;
        }
        loading = true;
        try {
            state.data = await orm.silent.call(model, method, []);
            state.error = "";
        } catch (error) {
            state.error = error.data?.message || error.message || _t("The server cannot be reached.");
        }
        loading = false;
        if (!document.hidden && !state.paused) {
            timer = browser.setTimeout(load, pause);
        }
    };

    const togglePause = () => {
        state.paused = !state.paused;
        return state.paused ? stop() : load();
    };

    onWillStart(load);
    onWillUnmount(() => {
        state.paused = true; // an answer that is still under way starts no timer
        stop();
    });
    useExternalListener(document, "visibilitychange", () => (document.hidden ? stop() : load()));
    return { state, load, togglePause };
}
