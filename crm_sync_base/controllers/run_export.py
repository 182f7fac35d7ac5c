import io

import xlsxwriter
from odoo import _, http
from odoo.http import content_disposition, request

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class RunExport(http.Controller):
    """What a run did, or would do, as a spreadsheet."""

    @http.route("/crm_sync/run/<int:run_id>/differences.xlsx", type="http", auth="user", methods=["GET"], readonly=True)
    def differences(self, run_id):
        """Answer with one row for each field that differs, and for each record without any.

        :raises AccessError: for who may not see the records of the run.
        """
        run = request.env["sync.run"].browse(run_id)
        run.check_access("read")
        request.env["sync.run.line"].check_access("read")
        if not run.exists():
            raise request.not_found()
        body = self._workbook(run)
        headers = [
            ("Content-Type", XLSX),
            ("Content-Length", len(body)),
            ("Content-Disposition", content_disposition(_("%s.xlsx", run.name))),
            ("Cache-Control", "no-store"),
        ]
        return request.make_response(body, headers)

    def _workbook(self, run):
        target = io.BytesIO()
        with xlsxwriter.Workbook(target, {"constant_memory": True}) as book:
            sheet = book.add_worksheet(_("Differences"))
            bold = book.add_format({"bold": True})
            sheet.freeze_panes(1, 0)
            sheet.set_column(0, 6, 24)
            for column, title in enumerate(run._export_titles()):
                sheet.write_string(0, column, title, bold)
            for number, row in enumerate(run._export_rows(), 1):
                for column, value in enumerate(row):
                    # Never as a formula, whatever the text begins with.
                    sheet.write_string(number, column, value)
        return target.getvalue()
