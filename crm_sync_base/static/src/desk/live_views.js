import { onWillUnmount } from "@odoo/owl";
import { registry } from "@web/core/registry";
import { FormController } from "@web/views/form/form_controller";
import { formView } from "@web/views/form/form_view";
import { KanbanController } from "@web/views/kanban/kanban_controller";
import { kanbanView } from "@web/views/kanban/kanban_view";

const SECONDS = 3;

/**
 * Look again every few seconds as long as records run again, so that whoever pressed
 * *Retry* sees the card close by itself.
 *
 * @param {() => boolean} isRunning whether something shown is under way
 * @param {() => Promise} load reads what is shown anew
 */
function useFollowing(isRunning, load) {
    const timer = setInterval(async () => {
        if (!document.hidden && !document.querySelector(".modal") && isRunning()) {
            await load();
        }
    }, SECONDS * 1000);
    onWillUnmount(() => clearInterval(timer));
}

export class SyncExceptionKanbanController extends KanbanController {
    setup() {
        super.setup();
        useFollowing(
            () => this.model.root.records.some((record) => record.data.retrying_count),
            () => this.model.load()
        );
    }
}

export class SyncExceptionFormController extends FormController {
    setup() {
        super.setup();
        useFollowing(
            () => Boolean(this.model.root.data.retrying_count) && !this.model.root.dirty,
            () => this.model.load()
        );
    }
}

registry.category("views").add("sync_exception_kanban", {
    ...kanbanView,
    Controller: SyncExceptionKanbanController,
});
registry.category("views").add("sync_exception_form", {
    ...formView,
    Controller: SyncExceptionFormController,
});

export class SyncFollowingFormController extends FormController {
    setup() {
        super.setup();
        useFollowing(
            () => this.model.root.data.state === "running" && !this.model.root.dirty,
            () => this.model.load()
        );
    }
}

registry.category("views").add("sync_following_form", {
    ...formView,
    Controller: SyncFollowingFormController,
});
