import { onWillUnmount } from "@odoo/owl";
import { registry } from "@web/core/registry";
import { FormController } from "@web/views/form/form_controller";
import { formView } from "@web/views/form/form_view";

const SECONDS = 3;

/** A run that is under way is read anew every few seconds, until it is over. */
export class SyncRunFormController extends FormController {
    setup() {
        super.setup();
        const timer = setInterval(async () => {
            const root = this.model.root;
            const idle = document.hidden || document.querySelector(".modal") || root.dirty;
            if (!idle && root.data.state === "running") {
                await this.model.load();
            }
        }, SECONDS * 1000);
        onWillUnmount(() => clearInterval(timer));
    }
}

registry.category("views").add("sync_run_form", { ...formView, Controller: SyncRunFormController });
