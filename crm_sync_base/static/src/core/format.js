import { _t } from "@web/core/l10n/translation";

const { DateTime } = luxon;

/**
 * @param {string} iso a moment in UTC, without a zone, as the server sends it
 * @returns {DateTime} in the reader's zone
 */
export function localTime(iso) {
    return DateTime.fromISO(iso, { zone: "utc" }).setZone("default");
}

/**
 * How long something took, in the two units that matter.
 *
 * @param {number} seconds
 * @returns {string} e.g. "3 min 20 s"
 */
export function humanDuration(seconds) {
    const whole = Math.max(Math.round(seconds), 0);
    const days = Math.floor(whole / 86400);
    const hours = Math.floor((whole % 86400) / 3600);
    const minutes = Math.floor((whole % 3600) / 60);
    const rest = whole % 60;
    if (days) {
        return hours ? _t("%(days)s d %(hours)s h", { days, hours }) : _t("%(days)s d", { days });
    }
    if (hours) {
        return minutes ? _t("%(hours)s h %(minutes)s min", { hours, minutes }) : _t("%(hours)s h", { hours });
    }
    if (minutes) {
        return rest ? _t("%(minutes)s min %(rest)s s", { minutes, rest }) : _t("%(minutes)s min", { minutes });
    }
    return _t("%(rest)s s", { rest });
}

/**
 * How long ago something was.
 *
 * @param {string} iso a moment in UTC
 * @returns {string} e.g. "5 minutes ago"; "" without a moment
 */
export function ago(iso) {
    if (!iso) {
        return "";
    }
    const moment = localTime(iso);
    return Math.abs(moment.diffNow("seconds").seconds) < 10 ? _t("just now") : moment.toRelative();
}
